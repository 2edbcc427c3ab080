// The public page "Tra cứu hồ sơ" in Chromium: with and without JavaScript, in both languages, on a
// narrow screen, checked by axe; five wrong tries lock a code, and an unknown code looks the same.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { people, as, bus, submit } from './lib/dossier.mjs';
import { atEnd, root, stack } from './lib/stack.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screens = path.join(root, 'build/screens');
const text = (lang) => JSON.parse(readFileSync(path.join(root, `services/gateway/web/i18n/${lang}.json`), 'utf8'));

let browser;
before(async () => {
  mkdirSync(screens, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // It opens our own page only, and machines of tests often have no user namespaces.
    args: ['--no-sandbox'],
  });
  atEnd(() => browser.close());
});

async function open(options = {}, target = '/') {
  const context = await browser.newContext({ locale: 'vi-VN', ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  await page.goto(stack.url + target);
  return { page, faults, close: () => context.close() };
}

async function lookUp(page, code, secret) {
  await page.fill('#code', code);
  await page.fill('#secret', secret);
  await Promise.all([page.waitForLoadState('load'), page.click('button[type=submit]')]);
  await page.waitForSelector('main');
}

// axe runs in an isolated world: the page's own Content-Security-Policy stays as it is.
async function assertAccessible(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const evaluate = async (expression) => {
    const done = await session.send('Runtime.evaluate', { expression, contextId, awaitPromise: true, returnByValue: true });
    assert.equal(done.exceptionDetails, undefined, JSON.stringify(done.exceptionDetails));
    return done.result.value;
  };
  await evaluate(axe);
  const result = await evaluate('axe.run().then((r) => ({ passes: r.passes.length, violations: r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`) }))');
  assert.deepEqual(result.violations, []);
  assert.ok(result.passes > 10);
}

for (const javaScriptEnabled of [true, false]) {
  describe(`looking a dossier up ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, () => {
    it('shows its state, its agency and its steps, and nothing personal', async () => {
      const { code, receiptSecret } = await submit();
      await bus.call('dossier', 'Accept', { code }, as(people.wardClerk));
      const { page, faults, close } = await open({ javaScriptEnabled });
      assert.equal(await page.getAttribute('html', 'lang'), 'vi');
      await lookUp(page, code, receiptSecret);
      const shown = await page.innerText('main');
      assert.ok(shown.includes(code));
      assert.ok(shown.includes(text('vi')['state.2']), shown);
      assert.ok(shown.includes('Đăng ký thành lập hộ kinh doanh'));
      assert.doesNotMatch(await page.content(), /036190\d{6}|0912000017|Nguyễn Thị An/);
      assert.ok(!page.url().includes(receiptSecret), 'the secret is in the address');
      if (javaScriptEnabled) await assertAccessible(page);
      await page.screenshot({ path: path.join(screens, `found-${javaScriptEnabled ? 'js' : 'plain'}.png`), fullPage: true });
      assert.deepEqual(faults, []);
      assert.deepEqual(await page.context().cookies(), []);
      await close();
    });
  });
}

describe('the form', () => {
  it('is accessible, and by keyboard alone it works', async () => {
    const { page, faults, close } = await open();
    await assertAccessible(page);
    await page.screenshot({ path: path.join(screens, 'form.png'), fullPage: true });
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.focus('#code');
    await page.keyboard.type('H40.31.01-240521-9999');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'secret');
    await page.keyboard.type('SAI-SAI-SAI');
    await Promise.all([page.waitForURL('**/tra-cuu**'), page.keyboard.press('Enter')]);
    await page.waitForSelector('[role=alert]');
    assert.deepEqual(faults.filter((one) => !/status of 40[0-9]/.test(one)), []);
    await close();
  });

  it('switches to English and stays there', async () => {
    const { page, close } = await open();
    await page.click('a[hreflang=en]');
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    assert.ok((await page.innerText('main')).includes(text('en').submit));
    await assertAccessible(page);
    const { code, receiptSecret } = await submit();
    await lookUp(page, code, receiptSecret);
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    assert.ok((await page.innerText('main')).includes(text('en')['state.1']));
    await page.screenshot({ path: path.join(screens, 'found-en.png'), fullPage: true });
    await close();
  });

  for (const width of [320, 768, 1280]) {
    it(`does not scroll sideways at ${width} px`, async () => {
      const { page, close } = await open({ viewport: { width, height: 640 } });
      const { code, receiptSecret } = await submit();
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(await overflow() <= 0);
      await lookUp(page, code, receiptSecret);
      assert.ok(await overflow() <= 0);
      await page.screenshot({ path: path.join(screens, `found-${width}.png`), fullPage: true });
      await close();
    });
  }

  it('shows what is typed as text, never as markup', async () => {
    const { page, faults, close } = await open();
    await lookUp(page, '"><img src=x onerror=alert(1)>', '<script>alert(1)</script>');
    assert.equal(await page.locator('img, main script').count(), 0);
    assert.match(await page.inputValue('#code'), /^"><IMG/i);
    assert.deepEqual(faults.filter((one) => !/status of 40[0-9]/.test(one)), []);
    await close();
  });
});

describe('wrong tries', () => {
  it('a wrong secret and an unknown code answer alike; the fifth locks even the right secret out', async () => {
    const { code, receiptSecret } = await submit();
    const { page, close } = await open();
    const problem = async (...typed) => {
      await lookUp(page, ...typed);
      await page.waitForSelector('[role=alert]');
      return page.innerText('[role=alert]');
    };
    const unknown = await problem('H40.31.01-240521-9998', 'AAAA-AAAA-AAAA');
    const wrong = await problem(code, 'AAAA-AAAA-AAAA');
    assert.equal(wrong, unknown);
    await assertAccessible(page);
    await page.screenshot({ path: path.join(screens, 'wrong.png'), fullPage: true });
    for (let i = 2; i <= 5; i++) await problem(code, 'AAAA-AAAA-AAAA');
    const locked = await problem(code, receiptSecret);
    assert.ok(!locked.includes('Đăng ký thành lập'));
    await page.screenshot({ path: path.join(screens, 'locked.png'), fullPage: true });
    // Another code is not locked.
    const other = await submit();
    await lookUp(page, other.code, other.receiptSecret);
    assert.ok((await page.innerText('main')).includes(text('vi')['state.1']));
    await close();
  });
});
