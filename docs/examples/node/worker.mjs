// A worker of the service "greeting": credit, heartbeats, joining again, deadlines, CANCEL, draining.
//
// usage: node worker.mjs
// LGSP_BUS_BACKEND: the brokers' endpoints, it serves at all of them; LGSP_BUS_KEY: their public
// certificate; LGSP_KEY: one's own secret certificate; LGSP_INSTANCE: a name of one's own. SIGTERM drains.
import { bus, greeting, openSocket, Outcome, pack, sleep, Status, unpack } from './common.mjs';

const MDPW = 'MDPW02', READY = 1, REQUEST = 2, FINAL = 4, HEARTBEAT = 5, DISCONNECT = 6, CANCEL = 0x20;
const SERVICE = 'greeting', CREDIT = 8, BEAT_MS = 2000, LOST_MS = 6000;
const instance = process.env.LGSP_INSTANCE ?? 'node-1';
let stopping = false;

function refusal(status, code, messageVi, messageEn) {
  return [{ status, outcome: Outcome.OUTCOME_NOT_DONE,
    detail: { side: 1, violations: [{ code, messageVi, messageEn }] } }, Buffer.alloc(0)];
}

// What is expired or cancelled before it is begun is never begun.
function answer(job) {
  if (job.cancelled)
    return refusal(Status.STATUS_EXPIRED, 'CANCELLED', 'Yêu cầu đã được hủy', 'the caller cancelled the request');
  if (performance.now() >= job.deadline) {
    console.log('expired');
    return refusal(Status.STATUS_EXPIRED, 'EXPIRED', 'Đã quá thời hạn', 'the deadline has passed');
  }
  if (job.header.method !== 'Greet')
    return refusal(Status.STATUS_NOT_FOUND, 'UNKNOWN_METHOD', 'Không có phương thức này', 'there is no such method');
  if (!job.request)
    return refusal(Status.STATUS_INVALID, 'MALFORMED_MESSAGE', 'Thông điệp hỏng', 'the message is malformed');
  console.log('greeted', job.request.name);
  const reply = greeting.GreetReply.encode({ text: `Xin chào, ${job.request.name}!` }).finish();
  return [{ status: Status.STATUS_OK, outcome: Outcome.OUTCOME_DONE }, reply];
}

function read(type, bytes) {
  try {
    return type.decode(bytes);
  } catch {
    return undefined;
  }
}

// One broker. Serves there until the worker is drained; the broker may come and go.
class Link {
  constructor(endpoint) {
    this.endpoint = endpoint;
    this.pause = 100;
    this.jobs = new Map();
    this.serving = this.serve();
  }

  async serve() {
    while (!stopping) {
      this.open();
      await this.receive();
      this.close();
      // The broker went, or never came: another socket, after a growing, jittered pause.
      if (!stopping) await sleep(this.pause / 2 + Math.random() * this.pause / 2);
      this.pause = Math.min(this.pause * 2, 5000);
    }
  }

  open() {
    this.socket = openSocket(this.endpoint, { sendTimeout: LOST_MS, receiveTimeout: 200 });
    this.left = this.drained = false;
    this.sending = Promise.resolve();
    this.heard = this.said = performance.now();
    this.joined = this.say(READY, SERVICE, this.hello());
  }

  close() {
    for (const job of this.jobs.values()) clearTimeout(job.timer);
    this.jobs.clear(); // what the broker that went had given is settled there
    this.socket.close();
  }

  hello() {
    return pack(bus.WorkerHello, { credit: CREDIT, instance, version: '1', draining: stopping, cancel: true });
  }

  // One send at a time; false when the broker is away.
  say(command, ...frames) {
    this.said = performance.now();
    this.sending = this.sending.then(() => this.socket.send([MDPW, Buffer.of(command), ...frames]))
      .then(() => true, () => { this.left = true; return false; });
    return this.sending;
  }

  async receive() {
    if (!await this.joined) return;
    let announced = false;
    while (!this.left) {
      const now = performance.now();
      if (stopping && !announced) announced = await this.say(HEARTBEAT, this.hello());
      else if (now - this.said > BEAT_MS) this.say(HEARTBEAT, this.hello());
      if (stopping && this.drained && this.jobs.size === 0) {
        await this.say(DISCONNECT);
        return;
      }
      if (now - this.heard > LOST_MS) return;
      const frames = await this.socket.receive().catch(() => undefined);
      if (frames) this.take(frames);
    }
  }

  take([, command, ...frames]) {
    this.heard = performance.now();
    if (command[0] === REQUEST) this.begin(...frames);
    else if (command[0] === CANCEL) this.cancel(frames[0].toString('hex'));
    else if (command[0] === DISCONNECT) this.left = true;
    else if (command[0] === HEARTBEAT) {
      this.pause = 100;
      if (frames[0]) this.drained = unpack(bus.BrokerHello, frames[0]).drainAcknowledged;
    }
  }

  // Nothing here waits: a timer says when the request is due.
  begin(token, _, caller, header, body) {
    const job = { token, header: unpack(bus.RequestHeader, header), request: read(greeting.GreetRequest, body),
      deadline: this.heard + unpack(bus.Caller, caller).timeLeftMs };
    this.jobs.set(token.toString('hex'), job);
    job.timer = setTimeout(() => this.finish(job), job.request?.afterMs ?? 0);
  }

  cancel(id) {
    const job = this.jobs.get(id);
    if (!job) return;
    clearTimeout(job.timer);
    job.cancelled = true;
    this.finish(job);
  }

  finish(job) {
    const [header, body] = answer(job);
    this.jobs.delete(job.token.toString('hex'));
    this.say(FINAL, job.token, '', pack(bus.ReplyHeader, { ...header, servedBy: `${SERVICE}/${instance}` }), body);
  }
}

process.on('SIGTERM', () => { stopping = true; });
await Promise.all(process.env.LGSP_BUS_BACKEND.split(' ').map((endpoint) => new Link(endpoint).serving));
