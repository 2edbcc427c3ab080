// The whole life of one dossier, from the upload to the rating, driven by a client we did not write;
// every step is proved by its event, and the parts that people see are looked at over HTTP.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { as, bus, CITY, citizenNumber, event, filing, people, PROCEDURE, submit, upload, WARD } from './lib/dossier.mjs';
import { decode } from './lib/proto.mjs';
import { readFeed, Refused, uuidv7 } from './lib/bus.mjs';
import { connect, request } from './lib/http.mjs';
import { businessDate, sql, stack, until } from './lib/stack.mjs';

// What the provider would send: pairs sorted by name, signed with the shared secret.
function callbackOf(order) {
  const key = readFileSync(path.join(stack.settings.LGSP_ADAPTER_KEYS, 'vnpay.key'), 'utf8').trim();
  const pairs = `vnp_Amount=${BigInt(order.amountVnd) * 100n}&vnp_CurrCode=VND&vnp_ResponseCode=00`
    + `&vnp_TransactionNo=${Date.now()}&vnp_TransactionStatus=00&vnp_TxnRef=${order.reference}`;
  return `${pairs}&vnp_SecureHash=${createHmac('sha512', key).update(pairs).digest('hex')}`;
}

describe('one dossier, from the upload to the rating', () => {
  const number = citizenNumber();
  const citizen = { ...people.citizen, subject: `${people.citizen.subject}-${uuidv7().toString('hex').slice(-8)}` };
  const story = {};

  it('the administration holds the identity document already', async () => {
    const fileId = await upload(people.wardArchivist, 'CAN CUOC CONG DAN', 'Nguyen Thi An');
    const reply = await bus.call('digitisation', 'RegisterRecord', {
      fileId, owner: { kind: 'citizen', number }, type: 'giay-to-tuy-than', number,
      issuingAgencyCode: WARD, issuedOn: '2022-03-14', validFrom: '2022-03-14',
      origin: 'RECORD_ORIGIN_SCANNED_ORIGINAL', dataClass: 'sensitive',
    }, as(people.wardArchivist));
    const seen = await event('digitisation', 'digitisation.record_registered', (e) => e.subject === reply.recordId);
    // The feed carries the pseudonym of the owner, never the number.
    assert.ok(!seen.stored.includes(number));
    await until('dossier to know the record', () =>
      sql(`SELECT pos FROM dossier.applied WHERE source = 'digitisation' AND pos >= ${seen.pos}`).length > 0);
  });

  it('the account files for nobody until the desk has seen whose it is', async () => {
    const wanted = filing({ channel: 'CHANNEL_OWN_PORTAL' });
    wanted.applicant.number = number;
    await assert.rejects(bus.call('dossier', 'Submit', wanted, as(citizen)),
      (error) => error instanceof Refused && error.violations.some((one) => one.code === 'ACCOUNT_NOT_VERIFIED'));
    await bus.call('directory', 'VerifyAccount',
      { subject: citizen.subject, number, evidence: 'ACCOUNT_EVIDENCE_PAPER_SEEN' }, as(people.wardClerk));
    await until('dossier to know the account', () =>
      sql(`SELECT 1 FROM dossier.account WHERE subject = '${citizen.subject}'`).length > 0);
    wanted.applicant.number = citizenNumber();
    await assert.rejects(bus.call('dossier', 'Submit', wanted, as(citizen)),
      (error) => error instanceof Refused && error.violations.some((one) => one.code === 'NUMBER_NOT_OWN'));
  });

  it('the citizen files it online without handing that document in again', async () => {
    story.fileId = await upload(citizen, 'GIAY DE NGHI DANG KY HO KINH DOANH');
    const wanted = filing({
      channel: 'CHANNEL_OWN_PORTAL',
      components: [{ code: 'giay-de-nghi', fileIds: [story.fileId] }],
    });
    wanted.applicant.number = number;
    const id = uuidv7();
    const first = await bus.call('dossier', 'Submit', wanted, { ...as(citizen), id });
    assert.match(first.code, new RegExp(`^H40\\.31\\.01-${businessDate().replaceAll('-', '').slice(2)}-\\d{4}$`));
    assert.ok(first.receiptSecret.length >= 8);
    assert.equal(first.files[0].fileId, story.fileId);
    assert.equal(first.replayed, false);
    Object.assign(story, { code: first.code, secret: first.receiptSecret });

    // The same message id again: the stored bytes, not a second dossier.
    const again = await bus.call('dossier', 'Submit', wanted, { ...as(citizen), id });
    assert.equal(again.replayed, true);
    assert.equal(again.code, first.code);
    assert.equal(again.receiptSecret, first.receiptSecret);
    // The same id for something else is refused.
    await assert.rejects(
      bus.call('dossier', 'Submit', { ...wanted, agencyCode: CITY }, { ...as(citizen), id }),
      (error) => error instanceof Refused && error.status === 'CONFLICT');

    const submitted = await event('dossier', 'dossier.submitted', (e) => e.subject === story.code);
    assert.equal(submitted.version, 1);
    assert.equal(submitted.causationId.toString('hex'), id.toString('hex'));
    assert.equal(submitted.data.channel, 'CHANNEL_OWN_PORTAL');
    assert.ok(submitted.data.components.some((c) => c.code === 'giay-to-chu-ho' && c.held && c.reused && !c.demanded));
    for (const secret of [number, '0912000017', 'Nguyễn Thị An', story.secret])
      assert.ok(!submitted.stored.includes(secret), 'the event carries personal data');
  });

  it('the clerk accepts it over HTTP and the due date is three working days on', async () => {
    const reply = await connect('dossier', 'Accept', { code: story.code }, { subject: 'hl-mot-cua' });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
    const accepted = await event('dossier', 'dossier.accepted', (e) => e.subject === story.code);
    assert.equal(accepted.data.dueUs, reply.body.dueUs);
    assert.ok(BigInt(accepted.data.dueUs) > BigInt(accepted.data.acceptedUs) + 2n * 86_400_000_000n);
  });

  it('the fee, due before the processing, is asked for at once, and payment opens an order with a VietQR', async () => {
    const asked = await event('dossier', 'dossier.payment_requested', (e) => e.subject === story.code);
    assert.equal(asked.data.amountVnd, '100000');
    assert.equal(asked.data.items[0].timing, 'FEE_TIMING_BEFORE');
    await assert.rejects(
      bus.call('dossier', 'RequestPayment', { code: story.code }, as(people.wardClerk)),
      (error) => error instanceof Refused && error.code === 'WRONG_STATE');
    const opened = await event('payment', 'payment.order_opened', (e) => e.data.dossierCode === story.code);
    assert.equal(opened.data.amountVnd, '100000');
    const { orders } = await bus.call('payment', 'ListOrders', { dossierCode: story.code });
    assert.equal(orders.length, 1);
    assert.equal(orders[0].state, 'ORDER_STATE_OPEN');
    assert.match(orders[0].qrPayload, /^000201010212.*5303704.*5406100000.*6304[0-9A-F]{4}$/);
    story.order = orders[0];
  });

  it('a forged callback changes nothing; the provider\'s own pays the order over HTTP, once', async () => {
    const query = callbackOf(story.order);
    const forged = await request(`/callback/vnpay?${query.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}`);
    assert.doesNotMatch(JSON.stringify(forged.body), /"00"/);
    assert.equal((await bus.call('payment', 'GetOrder', { id: story.order.id })).order.state, 'ORDER_STATE_OPEN');
    const first = await request(`/callback/vnpay?${query}`);
    assert.equal(first.status, 200);
    assert.equal(first.body.RspCode, '00');
    await request(`/callback/vnpay?${query}`);
    const paid = await event('payment', 'payment.paid', (e) => e.data.dossierCode === story.code);
    assert.equal(paid.data.method, 'PAY_METHOD_ONLINE');
    const { events } = await readFeed(bus, 'payment');
    assert.equal(events.filter((e) => e.type === 'payment.paid' && e.data.dossierCode === story.code).length, 1);
  });

  it('the dossier hears of it and the clock runs again', async () => {
    const resumed = await event('dossier', 'dossier.resumed', (e) => e.subject === story.code);
    assert.equal(resumed.data.orderId, story.order.id);
    const { dossier } = await bus.call('dossier', 'Get', { code: story.code }, as(people.wardClerk));
    assert.equal(dossier.state, 'DOSSIER_STATE_PROCESSING');
    assert.equal(dossier.feePaid, true);
  });

  it('it is handed to the city, which signs the result', async () => {
    await bus.call('dossier', 'Forward', { code: story.code, toAgencyCode: CITY, electronic: true }, as(people.wardClerk));
    await assert.rejects(
      bus.call('dossier', 'Forward', { code: story.code, toAgencyCode: CITY, electronic: true }, as(people.wardClerk)),
      (error) => error instanceof Refused && error.code === 'NOT_IN_HAND' && error.status === 'DENIED');
    const fileId = await upload(people.cityOfficer, 'GIAY CHUNG NHAN DANG KY HO KINH DOANH');
    const reply = await bus.call('dossier', 'IssueResult',
      { code: story.code, resultNumber: '36A8000017', fileId }, as(people.cityLeader));
    assert.ok(['VERDICT_EARLY', 'VERDICT_ON_TIME'].includes(reply.verdict));
    const issued = await event('dossier', 'dossier.result_issued', (e) => e.subject === story.code);
    assert.equal(issued.data.handoffs, 1);
    assert.equal(issued.data.handoffsElectronic, 1);
  });

  it('digitisation keeps the result as a record of the citizen', async () => {
    const kept = await event('digitisation', 'digitisation.record_registered',
      (e) => e.data.record.dossierCode === story.code);
    const { records } = await bus.call('digitisation', 'FindRecords',
      { owner: { kind: 'citizen', number } }, { ...as(people.wardClerk), purpose: 'giải quyết hồ sơ' });
    assert.ok(records.some((one) => one.recordId === kept.data.record.recordId));
  });

  it('the result is handed over, and the citizen rates it once', async () => {
    await bus.call('dossier', 'ReturnResult', { code: story.code, how: 'online' }, as(people.wardClerk));
    const rating = { code: story.code, speed: 5, attitude: 4, result: 5, receiptSecret: story.secret };
    await bus.call('dossier', 'Rate', rating, as(citizen));
    await assert.rejects(bus.call('dossier', 'Rate', rating, as(citizen)),
      (error) => error instanceof Refused && error.status === 'CONFLICT' && error.code === 'ALREADY_RATED');
  });

  it('its events are dense in version, and the feed\'s seals prove them', async () => {
    await event('dossier', 'dossier.rated', (e) => e.subject === story.code);
    const { events, seals, highWater } = await readFeed(bus, 'dossier');
    const mine = events.filter((e) => e.subject === story.code && e.type !== 'dossier.notice');
    assert.deepEqual(mine.map((e) => e.version), mine.map((_, i) => i + 1));
    assert.deepEqual(mine.map((e) => e.type.slice('dossier.'.length)), [
      'submitted', 'accepted', 'payment_requested', 'resumed', 'forwarded', 'result_issued', 'returned', 'rated']);
    assert.deepEqual(events.map((e) => e.pos), events.map((_, i) => i + 1));

    const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
    const bySeal = [...new Map(seals.map((seal) => [seal.posTo, seal])).values()];
    let digest = Buffer.alloc(32);
    let from = 0;
    for (const seal of bySeal) {
      const to = Number(seal.posTo);
      digest = sha256(digest, ...events.slice(from, to).map((e) => sha256(e.stored)));
      assert.equal(seal.count, to - from);
      assert.equal(seal.digest.toString('hex'), digest.toString('hex'));
      from = to;
    }
    assert.equal(from, highWater);
  });

  it('the history tells the same to the agency that has it in hand', async () => {
    const { dossier, history } = await bus.call('dossier', 'Get', { code: story.code }, as(people.wardClerk));
    assert.equal(dossier.state, 'DOSSIER_STATE_RETURNED');
    assert.equal(dossier.applicant.number, number);
    assert.equal(history.length, dossier.version);
    await assert.rejects(bus.call('dossier', 'Get', { code: story.code }, as(people.centreClerk)),
      (error) => error instanceof Refused && error.status === 'DENIED');
  });

  it('money balances', async () => {
    const balance = await bus.call('payment', 'TrialBalance', {});
    assert.equal(balance.totalDebitVnd, balance.totalCreditVnd);
    assert.notEqual(balance.totalDebitVnd, '0');
  });
});

describe('a dossier on paper, paid at the desk', () => {
  it('goes the same way', async () => {
    const { code } = await submit();
    await bus.call('dossier', 'Accept', { code }, as(people.wardClerk));
    const opened = await event('payment', 'payment.order_opened', (e) => e.data.dossierCode === code);
    const paid = await bus.call('payment', 'RecordCounterPayment',
      { orderId: opened.data.orderId, amountVnd: opened.data.amountVnd }, as(people.wardCashier));
    assert.notEqual(paid.receiptNumber, '');
    await event('dossier', 'dossier.resumed', (e) => e.subject === code);
    await bus.call('dossier', 'Forward', { code, toAgencyCode: CITY, electronic: false }, as(people.wardClerk));
    await bus.call('dossier', 'IssueResult', { code, resultNumber: '36A8000018' }, as(people.cityLeader));
    const issued = await event('dossier', 'dossier.result_issued', (e) => e.subject === code);
    assert.equal(issued.data.handoffsElectronic, 0);
    assert.equal(issued.data.procedureCode, PROCEDURE);
    await bus.call('dossier', 'ReturnResult', { code, how: 'desk' }, as(people.wardClerk));
  });
});

describe('a stock client of MDP/0.2', () => {
  it('reads a page of a feed as raw frames', async () => {
    const { header, frames } = await bus.exchange('directory', 'Feed.Head', Buffer.from([0x0a, 9, ...Buffer.from('directory')]));
    assert.equal(header.status, 'STATUS_OK');
    assert.equal(frames.length, 5);
    assert.equal(frames[0].toString(), 'MDPC02');
    assert.equal(frames[1][0], 3);
    assert.equal(frames[2].toString(), 'directory');
    assert.ok(Number(decode('lgsp.feed.v1.HeadReply', frames[4]).highWater) > 0);
  });
});
