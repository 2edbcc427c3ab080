// A second program recomputes what kpi shows: from the feeds alone, by rules written down again from
// docs and proto comments, for every agency and for the province; and the money once more in SQL.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { as, bus, CITY, event, highWater, people, submit, WARD } from './lib/dossier.mjs';
import { readFeed } from './lib/bus.mjs';
import { businessDate, ctl, sql, until } from './lib/stack.mjs';

const MONTH = businessDate().slice(0, 7);
const FEEDS = ['dossier', 'payment', 'digitisation', 'task'];
const AT_HCM_MS = 7 * 3_600_000;
const monthOf = (us) => new Date(Number(BigInt(us) / 1000n) + AT_HCM_MS).toISOString().slice(0, 7);

class Counter {
  #of = new Map();
  add(indicator, agency, us, inNumerator) {
    if (monthOf(us) !== MONTH) return;
    const key = `${indicator} ${agency}`;
    const [n, d] = this.#of.get(key) ?? [0, 0];
    this.#of.set(key, [n + (inNumerator ? 1 : 0), d + 1]);
  }
  sum(indicator, agencies) {
    let sum = [0, 0];
    for (const [key, [n, d]] of this.#of) {
      const [id, agency] = key.split(' ');
      if (id === indicator && (!agencies || agencies.has(agency))) sum = [sum[0] + n, sum[1] + d];
    }
    return sum;
  }
}

// The demo's flows over the feeds from their beginning: nothing of kpi is used.
async function recount() {
  const counter = new Counter();
  const fees = new Map();
  const portals = ['CHANNEL_OWN_PORTAL', 'CHANNEL_NATIONAL_PORTAL'];
  const feeds = Object.fromEntries(await Promise.all(FEEDS.map(async (name) => [name, (await readFeed(bus, name)).events])));
  // Asked for again later although held: not once only, whatever the filing said.
  const demandedLater = new Set(feeds.dossier
    .filter(({ type, data }) => type === 'dossier.supplement_requested' && (data.demanded ?? []).length > 0)
    .map(({ data }) => data.code));
  for (const { type, data, timeUs } of feeds.dossier) {
    if (type === 'dossier.submitted') {
      if (portals.includes(data.channel)) counter.add('R2-09', data.receivingAgencyCode, data.submittedUs, data.identityVerified);
      const held = data.components.filter((one) => one.held);
      if (held.length > 0)
        counter.add('R2-16', data.receivingAgencyCode, data.submittedUs, !held.some((one) => one.demanded) && !demandedLater.has(data.code));
    }
    if (type === 'dossier.result_issued') {
      if (data.handoffs > 0)
        counter.add('R2-04', data.agencyCode, data.finishedUs, data.handoffs === data.handoffsElectronic);
      counter.add('R2-12', data.agencyCode, data.finishedUs, portals.includes(data.channel) && data.onlineLevel >= 3);
      counter.add('DOSSIER-ON-TIME', data.agencyCode, data.finishedUs, data.verdict !== 'VERDICT_LATE');
    }
    if (type === 'dossier.rated')
      counter.add('R2-13', data.agencyCode, timeUs, data.speed + data.attitude + data.result >= 12);
  }
  for (const { type, data } of feeds.payment) {
    if (type === 'payment.fee_put') fees.set(data.fee.procedureCode, data.fee);
    if (type === 'payment.paid' && fees.get(data.procedureCode)?.online)
      counter.add('R2-06', data.agencyCode, data.paidUs, data.method === 'PAY_METHOD_ONLINE');
  }
  for (const { type, data } of feeds.task)
    if (type === 'task.confirmed' && data.shade !== 'SHADE_NO_DEADLINE')
      counter.add('TASK-ON-TIME', data.leadAgencyCode, data.completedUs, data.shade !== 'SHADE_OVERDUE');
  return { counter, feeds };
}

// R2-05 as of today, from the newest event of each procedure and fee.
function payableOnline(feeds) {
  const today = businessDate();
  const inForce = (one) => one.validFrom <= today && (one.validTo === '' || one.validTo >= today);
  const procedures = new Map();
  const online = new Set();
  for (const { type, data } of feeds.dossier)
    if (type === 'dossier.procedure_put') procedures.set(data.code, data);
  for (const { type, data } of feeds.payment)
    if (type === 'payment.fee_put' && data.fee.online && inForce(data.fee)) online.add(data.fee.procedureCode);
  const charged = [...procedures.values()].filter((one) => BigInt(one.feeVnd) > 0n && inForce(one));
  return [charged.filter((one) => online.has(one.code)).length, charged.length];
}

// R2-10 and R2-15 as of today, R6-04 of the month.
function catalogueAndApplicants(feeds) {
  const today = businessDate();
  const procedures = new Map();
  const applicants = new Map();
  for (const { type, data } of feeds.dossier) {
    if (type === 'dossier.procedure_put' && data.validFrom <= today && (data.validTo === '' || data.validTo >= today))
      procedures.set(data.code, data);
    if (type === 'dossier.submitted' && /PORTAL$/.test(data.channel) && monthOf(data.submittedUs) === MONTH && data.relation === 'RELATION_UNSPECIFIED')
      applicants.set(data.ownerKey, applicants.get(data.ownerKey) || data.identityVerified);
  }
  const all = [...procedures.values()];
  const share = (list, match) => [list.filter(match).length, list.length];
  return {
    'R2-10': share(all.filter((one) => !one.internal && one.onlineEligible), (one) => one.onlineLevel >= 3),
    'R2-15': share(all.filter((one) => one.internal), (one) => one.publishedOn !== '' && one.publishedOn <= one.validFrom),
    'R6-04': share([...applicants.values()], (verified) => verified),
  };
}

async function counted() {
  const marks = Object.fromEntries(await Promise.all(FEEDS.map(async (name) => [name, await highWater(name)])));
  await until('kpi to have counted everything', async () => {
    const { cursors } = await bus.call('kpi', 'Cursors', {});
    return FEEDS.every((name) => cursors.some((one) => one.source === name && Number(one.pos) >= marks[name]));
  }, 60_000);
}

const percent = (n, d) => Math.round((n * 10_000) / d);
const FLOWS = ['R2-04', 'R2-06', 'R2-09', 'R2-12', 'R2-13', 'R2-16', 'DOSSIER-ON-TIME', 'TASK-ON-TIME'];

describe('what kpi shows, counted a second time', () => {
  let second;
  before(async () => {
    // lgspctl's own demo, and beside it a dossier that pulls the figures the other way.
    assert.match(ctl(['demo']), /^demo: dossier \S+ finished, \d+ events, \d+ indicators changed$/m);
    const { code } = await submit({}, people.wardClerk);
    // Freed from the fee, it goes on without an order.
    const freed = await bus.call('dossier', 'ExemptFee', { code, exemptions: [
      { item: 'chinh', legalBasis: 'Luật Phí và lệ phí 97/2015/QH13, Điều 10', evidence: 'Giấy chứng nhận hộ nghèo 12/2024' },
    ] }, as(people.wardClerk));
    assert.equal(freed.financeState, 'FINANCE_STATE_EXEMPT');
    await bus.call('dossier', 'Accept', { code }, as(people.wardClerk));
    await bus.call('dossier', 'Forward', { code, toAgencyCode: CITY, electronic: false }, as(people.wardClerk));
    await bus.call('dossier', 'IssueResult', { code, resultNumber: '36A8000019' }, as(people.cityLeader));
    await bus.call('dossier', 'ReturnResult', { code, how: 'desk' }, as(people.wardClerk));
    await event('dossier', 'dossier.returned', (one) => one.subject === code);
    await counted();
    second = await recount();
  });

  for (const agency of ['', WARD, CITY]) {
    it(`the flows of ${agency || 'the province'}`, async () => {
      // An agency's figure includes those below it; in the demo these are the city and its ward.
      const below = { '': null, [WARD]: new Set([WARD]), [CITY]: new Set([CITY, ...sql(
        `WITH RECURSIVE sub AS (SELECT '${CITY}'::text AS code UNION SELECT a.code FROM directory.agency a JOIN sub ON a.parent_code = sub.code) SELECT code FROM sub`).flat()]) }[agency];
      for (const indicatorId of FLOWS) {
        const { measure } = await bus.call('kpi', 'Get', { indicatorId, agencyCode: agency, period: MONTH });
        const [n, d] = second.counter.sum(indicatorId, below);
        assert.deepEqual([Number(measure.numerator), Number(measure.denominator)], [n, d], `${indicatorId} of ${agency}`);
        assert.equal(measure.measurable, d > 0);
        if (d > 0) assert.equal(Number(measure.valueHundredths), percent(n, d));
        else assert.equal(measure.reason, 'NO_CASES');
      }
    });
  }

  it('procedures payable online (R2-05)', async () => {
    const { measure } = await bus.call('kpi', 'Get', { indicatorId: 'R2-05', period: MONTH });
    assert.deepEqual([Number(measure.numerator), Number(measure.denominator)], payableOnline(second.feeds));
    assert.ok(Number(measure.denominator) > 0);
  });

  it('what is offered and published, and who files online (R2-10, R2-15, R6-04)', async () => {
    for (const [indicatorId, want] of Object.entries(catalogueAndApplicants(second.feeds))) {
      const { measure } = await bus.call('kpi', 'Get', { indicatorId, period: MONTH });
      assert.deepEqual([Number(measure.numerator), Number(measure.denominator)], want, indicatorId);
    }
  });

  it('every flow of the demo has been seen to move', () => {
    for (const indicatorId of FLOWS) assert.ok(second.counter.sum(indicatorId)[1] > 0, `${indicatorId} was never counted`);
    const [n, d] = second.counter.sum('R2-04');
    assert.ok(n > 0 && n < d, 'R2-04 has one case on each side');
  });

  it('the verdicts follow from value, target and date', async () => {
    const { measures } = await bus.call('kpi', 'List', { period: MONTH });
    const targets = measures.filter((one) => one.measurable && one.target);
    assert.ok(targets.length > 0);
    for (const { indicatorId, valueHundredths, target, verdict } of targets) {
      const value = Number(valueHundredths);
      const met = target.op === '>' ? value > Number(target.valueHundredths) : value >= Number(target.valueHundredths);
      const open = target.due >= businessDate() || target.due.slice(0, 7) > MONTH;
      assert.equal(verdict, `TARGET_VERDICT_${met ? 'MET' : open ? 'NOT_YET_DUE' : 'NOT_MET'}`, indicatorId);
    }
  });
});

describe('facts against the services\' own rows', () => {
  it('each acknowledged filing is once in its service, its feed and kpi', () => {
    const [own] = sql('SELECT count(*), count(DISTINCT code) FROM dossier.dossier');
    const [fact] = sql('SELECT count(*), count(DISTINCT code) FROM kpi.fact_dossier');
    assert.deepEqual(fact, own);
  });

  it('what was paid is what the ledger, the orders and kpi say', async () => {
    const { events } = await readFeed(bus, 'payment');
    const paid = events.filter((one) => one.type === 'payment.paid').reduce((sum, one) => sum + BigInt(one.data.amountVnd), 0n);
    const [[fact]] = sql('SELECT coalesce(sum(amount_vnd), 0) FROM kpi.fact_payment');
    assert.equal(BigInt(fact), paid);
    const balance = await bus.call('payment', 'TrialBalance', {});
    assert.equal(balance.totalDebitVnd, balance.totalCreditVnd);
  });

  it('gap-free dossier numbers: no number of a day is missing', () => {
    const rows = sql('SELECT code FROM dossier.dossier ORDER BY code').flat();
    const days = Map.groupBy(rows, (code) => code.slice(0, -5));
    for (const [day, codes] of days)
      assert.deepEqual(codes.map((code) => Number(code.slice(-4))), codes.map((_, i) => i + 1), day);
  });

  it('lgspctl verifies the seals of every feed', () => {
    for (const name of FEEDS) ctl(['feed', name, '--verify']);
  });
});
