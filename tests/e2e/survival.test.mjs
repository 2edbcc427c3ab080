// The promise: an acknowledged filing exists exactly once in its service, in its feed, in payment's
// orders and in kpi's counters, whatever was killed when. Filings go on while process after process is
// killed with SIGKILL; whoever gets no answer repeats the same message id.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { as, bus, filing, highWater, people } from './lib/dossier.mjs';
import { readFeed, Refused, uuidv7 } from './lib/bus.mjs';
import { kill, sql, until } from './lib/stack.mjs';

const VICTIMS = ['bus', 'dossier', 'payment', 'kpi', 'postgres', 'directory', 'gateway', 'task', 'digitisation'];
const LANES = 4;

// Calls until there is an answer of the service; the id stays the same.
async function insist(method, value, counts) {
  const id = uuidv7();
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      return await bus.call('dossier', method, value, { ...as(people.wardClerk), id, deadlineMs: 3000, waitMs: 3500 });
    } catch (error) {
      const status = error instanceof Refused ? error.status : 'SILENCE';
      if (['INVALID', 'DENIED', 'NOT_FOUND', 'CONFLICT', 'INTERNAL'].includes(status) || Date.now() > end) throw error;
      counts[status] = (counts[status] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('every process is killed while filings go on', () => {
  const codes = [];
  const troubles = {};
  const deaths = {};

  before(async () => {
    let stop = false;
    const lane = async () => {
      while (!stop) {
        const { code } = await insist('Submit', filing(), troubles);
        codes.push(code);
        await insist('Accept', { code }, troubles);
      }
    };
    const lanes = Promise.all(Array.from({ length: LANES }, lane));
    lanes.catch(() => {});
    for (const name of VICTIMS) {
      const filed = codes.length;
      await Promise.race([until(`filings before ${name} dies`, () => codes.length > filed + LANES), lanes]);
      deaths[name] = await kill(name);
    }
    const filed = codes.length;
    await Promise.race([until('filings after the last death', () => codes.length > filed + LANES), lanes]);
    stop = true;
    await lanes;
  }, { timeout: 300_000 });

  it('each was another process afterwards', () => {
    for (const name of VICTIMS) assert.notEqual(deaths[name].before, deaths[name].after, name);
  });

  it('callers noticed, and repeated', (t) => {
    t.diagnostic(`${codes.length} filings, repeated after ${JSON.stringify(troubles)}`);
    assert.ok(Object.values(troubles).reduce((sum, n) => sum + n, 0) > 0);
  });

  it('each acknowledged filing is there once, with its code and its number', () => {
    assert.equal(new Set(codes).size, codes.length);
    const rows = new Set(sql('SELECT code FROM dossier.dossier').flat());
    for (const code of codes) assert.ok(rows.has(code), code);
    const open = sql('SELECT count(*) FROM dossier.dossier d WHERE NOT EXISTS (SELECT 1 FROM dossier.filing f WHERE f.code = d.code)');
    assert.equal(open[0][0], '0');
  });

  it('each has its events once, in order, in a feed without gaps', async () => {
    await until('the relay to be done', async () =>
      (await bus.call('dossier', 'Feed.Head', { feed: 'dossier' })).pending === '0');
    const { events } = await readFeed(bus, 'dossier');
    assert.deepEqual(events.map((one) => one.pos), events.map((_, i) => i + 1));
    assert.equal(new Set(events.map((one) => one.id.toString('hex'))).size, events.length);
    const types = Map.groupBy(events, (one) => one.subject);
    const told = (code, notice) => types.get(code).filter((one) => (one.type === 'dossier.notice') === notice);
    for (const code of codes) {
      assert.deepEqual(told(code, false).map((one) => one.type),
        ['dossier.submitted', 'dossier.accepted', 'dossier.payment_requested'], code);
      assert.equal(told(code, true).length, new Set(told(code, true).map((one) => one.version)).size, code);
    }
  });

  it('each has one order in payment, and one event of it', async () => {
    const mark = await highWater('dossier');
    await until('payment to have read the feed', () =>
      sql(`SELECT 1 FROM payment.applied WHERE source = 'dossier' AND pos >= ${mark}`).length > 0, 60_000);
    await until('payment\'s relay to be done', async () =>
      (await bus.call('payment', 'Feed.Head', { feed: 'payment' })).pending === '0');
    const { events } = await readFeed(bus, 'payment');
    const opened = Map.groupBy(events.filter((one) => one.type === 'payment.order_opened'), (one) => one.data.dossierCode);
    for (const code of codes) {
      assert.equal(opened.get(code)?.length, 1, code);
      const { orders } = await bus.call('payment', 'ListOrders', { dossierCode: code });
      assert.equal(orders.length, 1, code);
    }
  });

  it('kpi has counted each once, and nothing is parked', async () => {
    const mark = await highWater('dossier');
    await until('kpi to have read the feed', () =>
      sql(`SELECT 1 FROM kpi.applied WHERE source = 'dossier' AND pos >= ${mark}`).length > 0, 60_000);
    const rows = sql('SELECT code FROM kpi.fact_dossier').flat();
    assert.equal(new Set(rows).size, rows.length);
    for (const code of codes) assert.ok(rows.includes(code), code);
    for (const schema of ['dossier', 'payment', 'kpi', 'digitisation'])
      assert.equal(sql(`SELECT count(*) FROM ${schema}.dead_letter`)[0][0], '0', schema);
  });
});
