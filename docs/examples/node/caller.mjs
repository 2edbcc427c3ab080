// Calls greeting.Greet, whatever restarts meanwhile: one message id through all tries and endpoints.
//
// usage: node caller.mjs NAME [AFTER_MS [DEADLINE_MS [GIVE_UP_MS]]]
// LGSP_BUS_MEMBER: the brokers' endpoints; LGSP_BUS_KEY: their public certificate; LGSP_KEY: one's own
// secret certificate.
import { randomBytes } from 'node:crypto';
import { bus, greeting, openSocket, Outcome, pack, sleep, Status, unpack } from './common.mjs';

const MDPC = 'MDPC02', REQUEST = '\x01', FINAL = 0x03, PING = '\x21';
const REPEAT = new Set(['BUSY', 'EXPIRED', 'NO_SERVICE', 'WORKER_LOST', 'DRAINING', 'UNAVAILABLE']
  .map((name) => Status[`STATUS_${name}`]));
const SILENCE_MS = 1000; // then a PING; three of them and the broker counts as lost
const SLICE_MS = 50; // how often a silent connection is looked at: libzmq takes 100 ms to join again

function uuid7() {
  const id = randomBytes(16);
  id.writeUIntBE(Date.now(), 0, 6);
  id[6] = (id[6] & 0x0f) | 0x70;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id;
}

const again = (error) => { if (error.code !== 'EAGAIN') throw error; };

// { reply, body }, {} when nothing was sent, { sent: true } when nobody knows.
async function askOnce(socket, service, header, body) {
  try {
    await socket.send([MDPC, REQUEST, service, pack(bus.RequestHeader, header), body]);
  } catch (error) {
    again(error);
    return {};
  }
  const end = performance.now() + header.deadlineMs + 500;
  for (let silentMs = 0; performance.now() < end && silentMs < 3 * SILENCE_MS;) {
    let frames;
    try {
      frames = await socket.receive();
      silentMs = 0;
    } catch (error) {
      again(error);
      if (!socket.writable) break; // the connection has ended, and with it what was asked over it
      silentMs += SLICE_MS;
      if (silentMs % SILENCE_MS === 0) await socket.send([MDPC, PING]).catch(again);
      continue;
    }
    if (frames[1][0] !== FINAL) continue; // PONG: the broker lives
    const reply = unpack(bus.ReplyHeader, frames[3]);
    if (Buffer.compare(reply.messageId, header.messageId) === 0) return { sent: true, reply, body: frames[4] };
  }
  return { sent: true };
}

class Caller {
  constructor(endpoints) {
    this.sockets = endpoints.map((endpoint) =>
      openSocket(endpoint, { sendTimeout: SILENCE_MS, receiveTimeout: SLICE_MS }));
    this.at = 0;
  }

  // { reply or undefined, body, unknown }: unknown means the effect may exist.
  async call(service, method, body, deadlineMs, giveUpMs) {
    const header = { messageId: uuid7(), method, deadlineMs, attempt: 0 };
    const end = performance.now() + giveUpMs;
    for (let pause = 100, unknown = false; ; pause = Math.min(pause * 2, 2000)) {
      header.attempt += 1;
      const got = await askOnce(this.sockets[this.at], service, header, body);
      // A refusal says nothing about an earlier try that nobody answered.
      if (got.reply) {
        unknown = got.reply.outcome !== Outcome.OUTCOME_DONE
          && (unknown || got.reply.outcome !== Outcome.OUTCOME_NOT_DONE);
      } else {
        unknown ||= got.sent === true;
      }
      if ((got.reply && !REPEAT.has(got.reply.status)) || performance.now() > end) return { ...got, unknown };
      this.at = (this.at + 1) % this.sockets.length;
      await sleep(Math.max(got.reply?.retryAfterMs ?? 0, pause / 2 + Math.random() * pause / 2));
    }
  }

  close() {
    for (const socket of this.sockets) socket.close();
  }
}

const [name, afterMs = 0, deadlineMs = 5000, giveUpMs = 20000] = process.argv.slice(2);
const caller = new Caller(process.env.LGSP_BUS_MEMBER.split(' '));
const request = greeting.GreetRequest.encode({ name, afterMs: Number(afterMs) }).finish();
const { reply, body, unknown } = await caller.call('greeting', 'Greet', request, Number(deadlineMs), Number(giveUpMs));
if (reply?.status === Status.STATUS_OK) {
  console.log(`${greeting.GreetReply.decode(body).text} (${reply.servedBy})`);
} else {
  const status = Object.keys(Status).find((word) => Status[word] === reply?.status)?.slice('STATUS_'.length);
  console.log(status ?? 'NO_ANSWER', reply?.detail?.violations?.[0]?.code ?? '-', unknown ? 'UNKNOWN' : 'NOT_DONE');
  process.exitCode = 1;
}
caller.close();
