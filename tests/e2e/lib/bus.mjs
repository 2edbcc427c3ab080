// A client of the bus written from docs/wire.md on the zeromq package: MDP/0.2 over CURVE, the LGH1
// header as the first body frame. Nothing of the suite's own client is used.
import { Dealer, curveKeyPair } from 'zeromq';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { atEnd, stack } from './stack.mjs';
import { decode, encode, methodTypes } from './proto.mjs';

const MAGIC = Buffer.from('LGH1');
const REQUEST = Buffer.from([0x01]);

// The certificate files of lgspctl keys (zcert): name = "value" lines.
export function readKey(name, secret = false) {
  const text = readFileSync(path.join(stack.settings.LGSP_KEYS_DIR, `${name}.key${secret ? '_secret' : ''}`), 'utf8');
  const value = (field) => text.match(new RegExp(`^\\s*${field} = "(.*)"`, 'm'))?.[1];
  return { publicKey: value('public-key'), secretKey: value('secret-key'), member: value('member') };
}

export function uuidv7() {
  const id = randomBytes(16);
  id.writeUIntBE(Date.now(), 0, 6);
  id[6] = (id[6] & 0x0f) | 0x70;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id;
}

export class Refused extends Error {
  constructor(header) {
    const first = header.detail?.violations?.[0] ?? {};
    super(`${header.status} ${first.code ?? ''} ${first.field ?? ''}: ${first.messageEn ?? ''}`);
    this.status = header.status.replace('STATUS_', '');
    this.outcome = header.outcome.replace('OUTCOME_', '');
    this.violations = header.detail?.violations ?? [];
    this.code = first.code;
    this.field = first.field;
    this.header = header;
  }
}

export class Bus {
  #socket;
  #waiting = new Map();
  #unread = [];
  #sending = Promise.resolve();

  // A member with a certificate of the stack; without a name one the broker has never seen.
  constructor(name = 'lgsp-operator') {
    const keys = name ? readKey(name, true) : curveKeyPair();
    this.#socket = new Dealer({
      curveServerKey: readKey('broker').publicKey,
      curvePublicKey: keys.publicKey,
      curveSecretKey: keys.secretKey,
      linger: 0,
      immediate: true,
      sendTimeout: 5000,
    });
    this.#socket.connect(stack.settings.LGSP_BUS_MEMBER);
    this.#read();
    atEnd(() => this.close());
  }

  async #read() {
    try {
      for await (const frames of this.#socket) this.#take(frames);
    } catch (error) {
      if (!this.#socket.closed) throw error;
    }
  }

  #take(frames) {
    const [protocol, command, , head, body] = frames;
    const reply = { frames, body: body ?? Buffer.alloc(0) };
    if (protocol.toString() === 'MDPC02' && command[0] === 0x03 && head?.subarray(0, 4).equals(MAGIC))
      reply.header = decode('lgsp.bus.v1.ReplyHeader', head.subarray(4));
    const id = Buffer.from(reply.header?.messageId ?? []).toString('hex');
    const waiting = this.#waiting.get(id) ?? this.#unread.shift();
    this.#waiting.delete(id);
    waiting?.(reply);
  }

  // Sends frames as they are; resolves with the reply to message id, or (id null) with the next one
  // nobody else waits for: a header that cannot be read may still name its request.
  async sendRaw(frames, id, ms = 10_000) {
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
      const done = (reply) => { clearTimeout(timer); resolve(reply); };
      if (id) this.#waiting.set(id.toString('hex'), done);
      else this.#unread.push(done);
    });
    answer.catch(() => {});
    // One send at a time; while no broker is there a send waits, and those behind it.
    this.#sending = this.#sending.then(() => this.#socket.send(frames)).catch(() => {});
    return answer;
  }

  header(method, { id = uuidv7(), deadlineMs = 20_000, as, flags = 0, ...more } = {}) {
    const header = { messageId: id, method, deadlineMs, attempt: 1, flags, ...more };
    if (as) header.onBehalfOf = { subject: as.subject, roles: as.roles, agency: as.agency ?? '' };
    return Buffer.concat([MAGIC, encode('lgsp.bus.v1.RequestHeader', header)]);
  }

  // Body bytes in, {header, body} out, whatever the status.
  async exchange(service, method, body, options = {}) {
    const id = options.id ?? uuidv7();
    const head = this.header(method, { ...options, id });
    const ms = options.waitMs ?? (options.deadlineMs ?? 20_000) + 5000;
    return this.sendRaw(['MDPC02', REQUEST, service, head, body], id, ms);
  }

  // Messages in and out; throws Refused.
  async call(service, method, value = {}, options = {}) {
    const types = methodTypes(service, method);
    const reply = await this.exchange(service, method, encode(types.request, value), options);
    if (reply.header.status !== 'STATUS_OK') throw new Refused(reply.header);
    return Object.assign(decode(types.reply, reply.body), { replayed: reply.header.replayed });
  }

  close() {
    this.#socket.close();
  }
}

// Every event of a service's feed behind a position, with its payload.
export async function readFeed(bus, service, after = 0) {
  const events = [];
  const seals = [];
  let next = String(after);
  for (;;) {
    const page = await bus.call(service, 'Feed.Pull', { feed: service, after: next, limit: 1000 });
    for (const entry of page.entries) {
      const event = decode('lgsp.feed.v1.Event', entry.event);
      const name = event.type.replace(/(^|[._])([a-z0-9])/g, (_, __, letter) => letter.toUpperCase());
      events.push({ ...event, pos: Number(entry.pos), stored: entry.event,
        data: decode(`lgsp.${service}.v1.${name}`, event.payload) });
    }
    seals.push(...page.seals);
    if (page.entries.length === 0 || page.next === page.highWater) return { events, seals, highWater: Number(page.highWater) };
    next = page.next;
  }
}
