// Bad input: each kind gets its own status with a machine code, a Vietnamese and an English sentence
// and the field; the processes stay up, and nothing is half-written.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { as, bus, event, filing, highWater, people, submit } from './lib/dossier.mjs';
import { encode } from './lib/proto.mjs';
import { Bus, uuidv7 } from './lib/bus.mjs';
import { connect, request, token } from './lib/http.mjs';
import { logOf, pids, sql, stack } from './lib/stack.mjs';

const REQUEST = Buffer.from([1]);
const HEX32 = /^[0-9a-f]{32}$/;
const submitBytes = (changes) => encode('lgsp.dossier.v1.SubmitRequest', filing(changes));

// What every refusal must carry.
function assertRefusal(header, { status, code, field = '', outcome = 'NOT_DONE' }) {
  const said = JSON.stringify(header);
  assert.equal(header.status, `STATUS_${status}`, said);
  assert.equal(header.outcome, `OUTCOME_${outcome}`, said);
  const violation = header.detail.violations.find((one) => one.code === code);
  assert.ok(violation, `${code} in ${said}`);
  assert.equal(violation.field, field, said);
  assert.match(violation.messageVi, /\p{L}/u);
  assert.match(violation.messageEn, /[a-z]/);
  assert.notEqual(violation.messageVi, violation.messageEn);
  assert.notEqual(header.servedBy, '');
}

async function refused(service, method, body, want, options = {}) {
  const { header } = await (options.bus ?? bus).exchange(service, method, body, { ...as(people.wardClerk), ...options });
  assertRefusal(header, want);
  return header;
}

// Everything that a half-done write could leave behind.
const counts = () => sql(`SELECT (SELECT count(*) FROM dossier.dossier), (SELECT count(*) FROM dossier.inbox),
  (SELECT count(*) FROM dossier.outbox), (SELECT count(*) FROM payment.outbox)`)[0];

let processes;
let rows;
let positions;

describe('frames', () => {
  before(async () => {
    processes = pids();
    rows = counts();
    positions = await Promise.all(['dossier', 'payment', 'task'].map(highWater));
  });

  // Each message is malformed; a good call behind it shows that the broker still listens to us.
  const head = () => bus.header('Head', {});
  const cases = {
    'one frame': () => ['MDPC02'],
    'another protocol': () => ['MDPC01', REQUEST, 'dossier', head(), ''],
    'another command': () => ['MDPC02', Buffer.from([9]), 'dossier', head(), ''],
    'a command of two bytes': () => ['MDPC02', Buffer.from([1, 1]), 'dossier', head(), ''],
    'no service': () => ['MDPC02', REQUEST, '', head(), ''],
    'a service name that is none': () => ['MDPC02', REQUEST, 'dossier\u0000x', head(), ''],
    'no header': () => ['MDPC02', REQUEST, 'dossier'],
    'seven frames': () => ['MDPC02', REQUEST, 'dossier', head(), '', '', ''],
    'forty frames': () => ['MDPC02', REQUEST, 'dossier', ...Array(37).fill('x')],
    'a worker\'s command': () => ['MDPW02', REQUEST, 'dossier'],
    'rubbish': () => [randomBytes(300), randomBytes(1), randomBytes(60)],
  };
  for (const [name, frames] of Object.entries(cases)) {
    it(`${name}: BAD_FRAMES`, async () => {
      const { header } = await bus.sendRaw(frames(), null);
      assertRefusal(header, { status: 'INVALID', code: 'BAD_FRAMES' });
    });
  }
});

describe('headers', () => {
  const good = { messageId: uuidv7(), method: 'Submit', deadlineMs: 1000 };
  const frame = (value, magic = 'LGH1') =>
    Buffer.concat([Buffer.from(magic), encode('lgsp.bus.v1.RequestHeader', value)]);
  const cases = [
    ['no magic', frame(good, ''), ''],
    ['another magic', frame(good, 'LGH2'), ''],
    ['nothing', Buffer.alloc(0), ''],
    ['rubbish behind the magic', Buffer.concat([Buffer.from('LGH1'), Buffer.alloc(40, 0xff)]), ''],
    ['a message id of 15 bytes', frame({ ...good, messageId: Buffer.alloc(15, 1) }), 'message_id'],
    ['a message id of zeros', frame({ ...good, messageId: Buffer.alloc(16) }), 'message_id'],
    ['no method', frame({ ...good, method: '' }), 'method'],
    ['a method that is none', frame({ ...good, method: 'Submit;DROP' }), 'method'],
    ['no deadline', frame({ ...good, deadlineMs: 0 }), 'deadline_ms'],
    ['an endless deadline', frame({ ...good, deadlineMs: 300_001 }), 'deadline_ms'],
    ['a bad traceparent', frame({ ...good, traceparent: '00-0-0-00' }), 'traceparent'],
    ['a purpose as long as a letter', frame({ ...good, purpose: 'x'.repeat(201) }), 'purpose'],
    ['5 KiB', frame({ ...good, onBehalfOf: { subject: 'x'.repeat(5000) } }), ''],
  ];
  for (const [name, head, field] of cases) {
    it(`${name}: BAD_HEADER`, async () => {
      const { header } = await bus.sendRaw(['MDPC02', REQUEST, 'dossier', head, ''], null);
      assertRefusal(header, { status: 'INVALID', code: 'BAD_HEADER', field });
    });
  }
});

describe('who may call', () => {
  it('a key the broker has never seen gets no answer at all', async () => {
    const stranger = new Bus(null);
    await assert.rejects(stranger.call('dossier', 'ListProcedures', {}, { deadlineMs: 500, waitMs: 1500 }));
    stranger.close();
  });

  it('a member without the right: NOT_GRANTED', async () => {
    const oneStop = new Bus('one-stop');
    await refused('dossier', 'Accept', encode('lgsp.dossier.v1.AcceptRequest', { code: 'x' }),
      { status: 'DENIED', code: 'NOT_GRANTED' }, { bus: oneStop, as: undefined });
    await refused('payment', 'TrialBalance', Buffer.alloc(0),
      { status: 'DENIED', code: 'NOT_GRANTED' }, { bus: oneStop, as: undefined });
    const { procedures } = await oneStop.call('dossier', 'ListProcedures', { limit: 1 });
    assert.equal(procedures.length, 1); // the right it has
    oneStop.close();
  });

  it('a member that speaks for a person without acts_for: ACTS_FOR_NOT_GRANTED', async () => {
    const oneStop = new Bus('one-stop');
    await refused('dossier', 'Submit', submitBytes(),
      { status: 'DENIED', code: 'ACTS_FOR_NOT_GRANTED', field: 'on_behalf_of' }, { bus: oneStop });
    oneStop.close();
  });

  it('a person without the role: ROLE_REQUIRED', () =>
    refused('dossier', 'Accept', encode('lgsp.dossier.v1.AcceptRequest', { code: 'x' }),
      { status: 'DENIED', code: 'ROLE_REQUIRED' }, as(people.wardCashier)));

  it('a citizen at an RPC of the staff: EXPOSURE_DENIED', () =>
    refused('dossier', 'Accept', encode('lgsp.dossier.v1.AcceptRequest', { code: 'x' }),
      { status: 'DENIED', code: 'EXPOSURE_DENIED' }, as(people.citizen)));
});

describe('what to call', () => {
  it('a service nobody serves: NO_SERVICE', async () => {
    const header = await refused('weather', 'Get', Buffer.alloc(0), { status: 'NO_SERVICE', code: 'NO_SERVICE' });
    assert.ok(header.retryAfterMs > 0);
  });

  it('a method nobody wrote: UNKNOWN_METHOD', () =>
    refused('dossier', 'Shred', Buffer.alloc(0), { status: 'NOT_FOUND', code: 'UNKNOWN_METHOD' }));

  it('a body of 1 MiB less a little: BODY_TOO_LARGE', () =>
    refused('dossier', 'Submit', Buffer.alloc(1000 * 1024), { status: 'TOO_LARGE', code: 'BODY_TOO_LARGE' }));

  it('a deadline that passes while the service has the request: EXPIRED, outcome UNKNOWN', async () => {
    const pid = Number(pids().task);
    process.kill(pid, 'SIGSTOP');
    try {
      const started = Date.now();
      await refused('task', 'List', Buffer.alloc(0),
        { status: 'EXPIRED', code: 'EXPIRED_IN_FLIGHT', outcome: 'UNKNOWN' }, { deadlineMs: 300 });
      assert.ok(Date.now() - started < 2000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await bus.call('task', 'List', {}, as(people.chairman)); // and it is there again
  });
});

describe('protobuf', () => {
  const text = (tag, bytes) => Buffer.from([tag, bytes.length, ...bytes]);
  const cases = [
    ['cut', submitBytes().subarray(0, 40), 'MALFORMED_MESSAGE', undefined],
    ['rubbish', Buffer.alloc(64, 0xff), 'MALFORMED_MESSAGE', ''],
    ['a group', Buffer.from([0x0b, 0x0c]), 'MALFORMED_MESSAGE', 'procedure_code'],
    ['text that is not UTF-8', text(0x0a, [0xff]), 'BAD_TEXT', 'procedure_code'],
    ['a NUL in text', text(0x0a, [0x61, 0, 0x62]), 'BAD_TEXT', 'procedure_code'],
    ['a channel nobody knows', Buffer.from([0x20, 99]), 'UNKNOWN_ENUM_VALUE', 'channel'],
    ['a hundred thousand components', Buffer.alloc(200_000, Buffer.from([0x32, 0])), 'TOO_MANY_ELEMENTS', ''],
  ];
  for (const [name, body, code, field] of cases) {
    it(`${name}: ${code}`, async () => {
      const { header } = await bus.exchange('dossier', 'Submit', body, as(people.wardClerk));
      assertRefusal(header, { status: 'INVALID', code, field: field ?? header.detail.violations[0].field });
    });
  }
});

describe('a filing that breaks rules', () => {
  const applicant = (changes) => ({ applicant: { ...filing().applicant, ...changes } });
  const cases = [
    ['an unknown procedure', { procedureCode: '9.999999' }, 'UNKNOWN_PROCEDURE', 'procedure_code'],
    ['an unknown agency', { agencyCode: 'H99.1' }, 'AGENCY_NOT_IN_FORCE', 'agency_code', people.citizen],
    ['no channel', { channel: 0 }, 'REQUIRED_FIELD', 'channel'],
    ['the citizens\' channel at the desk', { channel: 'CHANNEL_OWN_PORTAL' }, 'CHANNEL_NOT_ALLOWED', 'channel'],
    ['a citizen number with a letter', applicant({ number: '03619000001x' }), 'BAD_CITIZEN_NUMBER', 'applicant.number'],
    ['a citizen number of no province', applicant({ number: '000190000017' }), 'BAD_CITIZEN_NUMBER', 'applicant.number'],
    ['a telephone number with a letter', applicant({ phone: '09120000x' }), 'BAD_PHONE', 'applicant.phone'],
    ['a component left out', { components: [{ code: 'giay-to-chu-ho', paperCopies: 1 }] }, 'MISSING_COMPONENT', undefined],
    ['a component nobody asked for', { components: [...filing().components, { code: 'la-thu', paperCopies: 1 }] }, 'UNKNOWN_COMPONENT', 'components[2].code'],
    ['a component twice', { components: [...filing().components, filing().components[0]] }, 'DUPLICATE_COMPONENT', 'components[2].code'],
    ['a form field left out', { form: filing().form.slice(1) }, 'MISSING_FORM_FIELD', undefined],
    ['a capital that is no number', { form: [...filing().form.slice(0, 3), { name: 'von', value: 'nhiều' }] }, 'BAD_MONEY', 'form[3].value'],
  ];
  for (const [name, changes, code, field, person = people.wardClerk] of cases) {
    it(`${name}: ${code}`, async () => {
      const { header } = await bus.exchange('dossier', 'Submit', submitBytes(changes), as(person));
      const found = header.detail?.violations.find((one) => one.code === code);
      assertRefusal(header, { status: 'INVALID', code, field: field ?? found?.field });
    });
  }

  it('several at once are all told', async () => {
    const { header } = await bus.exchange('dossier', 'Submit',
      submitBytes({ components: [], form: [], applicant: { ...filing().applicant, number: '1', phone: '1' } }), as(people.wardClerk));
    const codes = header.detail.violations.map((one) => one.code);
    for (const code of ['BAD_CITIZEN_NUMBER', 'BAD_PHONE', 'MISSING_COMPONENT', 'MISSING_FORM_FIELD'])
      assert.ok(codes.includes(code), `${code} in ${codes}`);
    assert.match(header.detail.traceId, HEX32);
    assert.equal(header.detail.side, 'SIDE_CALLER');
  });
});

describe('HTTP', () => {
  const accept = '/lgsp.dossier.v1.DossierService/Accept';
  const post = (target, body, headers = {}) => request(target, {
    method: 'POST', body, headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token('hl-mot-cua')}`, ...headers },
  });
  const first = (reply) => reply.body.details[0].debug.violations[0];

  it('malformed JSON: MALFORMED_JSON', async () => {
    const reply = await post(accept, '{"code":');
    assert.equal(reply.status, 400);
    assert.equal(reply.body.code, 'invalid_argument');
    assert.equal(first(reply).code, 'MALFORMED_JSON');
  });
  it('an unknown field: UNKNOWN_FIELD', async () => {
    const reply = await post(accept, '{"code":"a","colour":"red"}');
    assert.equal(first(reply).code, 'UNKNOWN_FIELD');
  });
  it('a value of the wrong kind: BAD_VALUE and its field', async () => {
    const reply = await post('/lgsp.dossier.v1.DossierService/Submit', '{"applicant":{"name":1}}');
    assert.equal(first(reply).code, 'BAD_VALUE');
    assert.equal(first(reply).field, 'applicant.name');
  });
  it('the message is Vietnamese, or English when asked for', async () => {
    const vi = await post(accept, '[]');
    const en = await post(accept, '[]', { 'Accept-Language': 'en' });
    assert.equal(vi.body.message, first(vi).messageVi);
    assert.equal(en.body.message, first(en).messageEn);
    assert.notEqual(vi.body.message, en.body.message);
  });
  it('no token, a forged token: unauthenticated', async () => {
    const none = await connect('dossier', 'Accept', { code: 'x' });
    assert.equal(none.status, 401);
    const [head, body, mark] = token('hl-mot-cua').split('.');
    const swapped = `${mark.slice(0, 10) === 'AAAAAAAAAA' ? 'BBBBBBBBBB' : 'AAAAAAAAAA'}${mark.slice(10)}`;
    const forged = await post(accept, '{}', { Authorization: `Bearer ${head}.${body}.${swapped}` });
    assert.equal(forged.status, 401);
    assert.equal(forged.body.code, 'unauthenticated');
  });
  it('an internal RPC does not exist here', async () => {
    const reply = await connect('dossier', 'ImportProfile', {}, { subject: 'stttt-quan-tri' });
    assert.equal(reply.status, 404);
    assert.equal(reply.body.code, 'unimplemented');
  });
  it('a body beyond the bound is refused', async () => {
    const reply = await post(accept, `{"code":"${'x'.repeat(2 * 1024 * 1024)}"}`);
    assert.equal(reply.status, 413);
  });
});

describe('nothing was written by all this', () => {
  it('no row, no event, no stored reply', async () => {
    assert.deepEqual(counts(), rows);
    assert.deepEqual(await Promise.all(['dossier', 'payment', 'task'].map(highWater)), positions);
  });
});

describe('the wrong state', () => {
  it('is a CONFLICT that names the state and writes nothing', async () => {
    const { code } = await submit();
    const result = encode('lgsp.dossier.v1.IssueResultRequest', { code, resultNumber: '1' });
    await event('dossier', 'dossier.submitted', (e) => e.subject === code);
    const before_ = await highWater('dossier');
    await refused('dossier', 'ReturnResult', encode('lgsp.dossier.v1.ReturnResultRequest', { code, how: 'desk' }),
      { status: 'CONFLICT', code: 'WRONG_STATE', field: 'code' });
    await refused('dossier', 'IssueResult', result,
      { status: 'CONFLICT', code: 'WRONG_STATE', field: 'code' }, as(people.cityLeader));
    await refused('dossier', 'Accept', encode('lgsp.dossier.v1.AcceptRequest', { code }),
      { status: 'DENIED', code: 'NOT_IN_HAND', field: 'code' }, as(people.centreClerk));
    assert.equal(await highWater('dossier'), before_);
    assert.equal(sql(`SELECT version FROM dossier.dossier WHERE code = '${code}'`)[0][0], '1');
  });

  it('a citizen number is in no log', () => {
    const number = filing().applicant.number.slice(0, 6);
    assert.equal(number, '036190');
    for (const name of stack.services) {
      const log = logOf(name);
      assert.doesNotMatch(log, /\b036190\d{6}\b/, `${name} logs citizen numbers`);
    }
  });

  it('every process is the one that was started', () => {
    assert.deepEqual(pids(), processes);
  });
});
