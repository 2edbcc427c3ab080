// The edge as outside systems use it: Connect in JSON and binary, Idempotency-Key, feeds as CloudEvents,
// and nothing but the page and the callback without a token.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { bus, filing, submit } from './lib/dossier.mjs';
import { decode, encode } from './lib/proto.mjs';
import { readFeed } from './lib/bus.mjs';
import { connect, request, token } from './lib/http.mjs';
import { sql, stack } from './lib/stack.mjs';

const OPERATOR = 'stttt-quan-tri';

describe('a call', () => {
  it('in JSON and in binary says the same', async () => {
    const json = await connect('dossier', 'GetProcedure', { code: '1.001612' }, { subject: 'anybody' });
    assert.equal(json.status, 200);
    const response = await fetch(`${stack.url}/lgsp.dossier.v1.DossierService/GetProcedure`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/proto', Authorization: `Bearer ${token('anybody')}` },
      body: encode('lgsp.dossier.v1.GetProcedureRequest', { code: '1.001612' }),
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/proto');
    const { procedure } = decode('lgsp.dossier.v1.GetProcedureReply', Buffer.from(await response.arrayBuffer()));
    for (const field of ['code', 'name', 'feeVnd', 'limitUnit', 'onlineLevel'])
      assert.deepEqual(json.body.procedure[field], procedure[field], field);
    assert.deepEqual(json.body.procedure.components.map((one) => one.code), procedure.components.map((one) => one.code));
  });

  it('with an Idempotency-Key is done once, whatever is repeated', async () => {
    const key = randomUUID();
    const wanted = filing();
    const send = (value) => connect('dossier', 'Submit', value, { subject: 'hl-mot-cua', headers: { 'Idempotency-Key': key } });
    const before = sql('SELECT count(*) FROM dossier.dossier')[0][0];
    const replies = await Promise.all(Array.from({ length: 8 }, () => send(wanted)));
    assert.deepEqual([...new Set(replies.map((one) => one.status))], [200], JSON.stringify(replies.map((one) => one.body)));
    assert.equal(new Set(replies.map((one) => one.body.code)).size, 1);
    assert.equal(new Set(replies.map((one) => one.body.receiptSecret)).size, 1);
    assert.equal(replies.filter((one) => one.headers.get('lgsp-replayed') !== 'true').length, 1);
    assert.equal(Number(sql('SELECT count(*) FROM dossier.dossier')[0][0]), Number(before) + 1);

    const other = await send({ ...wanted, competentAgencyCode: '' });
    assert.equal(other.body.code, 'failed_precondition');
    assert.equal(other.headers.get('lgsp-outcome'), 'NOT_DONE');
  });

  it('keeps the caller\'s trace', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const reply = await connect('dossier', 'GetProcedure', { code: 'no' },
      { subject: 'anybody', headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    assert.equal(reply.headers.get('lgsp-trace-id'), trace);
    assert.equal(reply.body.details[0].debug.traceId, trace);
  });

  it('is made with the roles the directory gives today, whatever the caller says', async () => {
    const { code } = await submit();
    const citizen = await connect('dossier', 'Accept', { code }, { subject: 'cong-dan-e2e' });
    assert.equal(citizen.status, 403);
    const foreign = await connect('dossier', 'Accept', { code }, { subject: 'tt-mot-cua' });
    assert.equal(foreign.status, 403);
    const own = await connect('dossier', 'Accept', { code }, { subject: 'hl-mot-cua' });
    assert.equal(own.status, 200);
  });
});

describe('a feed', () => {
  it('is the same over HTTP as on the bus', async () => {
    await submit();
    const { events } = await readFeed(bus, 'dossier');
    const seen = [];
    for (let after = '0'; ;) {
      const page = await request(`/feeds/dossier?after=${after}&limit=7`, { headers: { Authorization: `Bearer ${token(OPERATOR)}` } });
      assert.equal(page.status, 200);
      seen.push(...page.body.events);
      if (page.body.events.length === 0) break;
      after = page.body.next;
    }
    assert.ok(seen.length >= events.length);
    for (const [i, one] of events.entries()) {
      assert.equal(seen[i].specversion, '1.0');
      assert.equal(seen[i].type, one.type);
      assert.equal(seen[i].subject, one.subject);
      assert.equal(Number(seen[i].pos), one.pos);
      assert.equal(seen[i].id.replaceAll('-', ''), one.id.toString('hex'));
    }
  });

  it('is not for citizens, nor for officers of other duties', async () => {
    for (const subject of ['cong-dan-e2e', 'hl-mot-cua']) {
      const reply = await request('/feeds/dossier', { headers: { Authorization: `Bearer ${token(subject)}` } });
      assert.equal(reply.status, 403, subject);
    }
  });
});

describe('without a token', () => {
  it('only the page and the callback answer', async () => {
    assert.equal((await request('/')).status, 200);
    assert.equal((await request('/tra-cuu')).status, 200);
    for (const target of ['/feeds/dossier', '/metrics', '/healthz', '/readyz', '/nothing'])
      assert.ok([401, 404].includes((await request(target)).status), target);
    for (const method of ['GetProcedure', 'Track', 'Rate', 'Submit'])
      assert.equal((await connect('dossier', method, {})).status, 401, method);
    assert.ok((await request('/callback/nobody')).status >= 400);
  });
});
