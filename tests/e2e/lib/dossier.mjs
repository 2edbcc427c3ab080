// The people of the profile nam-dinh-2021 and the parts of a dossier's life that several tests need.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { Bus, readFeed } from './bus.mjs';
import { until } from './stack.mjs';

export const people = {
  citizen: { subject: 'cong-dan-e2e', roles: ['citizen'] },
  wardClerk: { subject: 'hl-mot-cua', roles: ['clerk'], agency: 'H40.31.01' },
  wardArchivist: { subject: 'hl-luu-tru', roles: ['archivist'], agency: 'H40.31.01' },
  wardCashier: { subject: 'hl-thu-ngan', roles: ['cashier'], agency: 'H40.31.01' },
  cityOfficer: { subject: 'tp-chuyen-vien', roles: ['officer'], agency: 'H40.31' },
  cityLeader: { subject: 'tp-lanh-dao', roles: ['leader'], agency: 'H40.31' },
  chairman: { subject: 'chu-tich', roles: ['leader'], agency: 'H40' },
  centreClerk: { subject: 'tt-mot-cua', roles: ['clerk'], agency: 'H40.19' },
};

export const PROCEDURE = '1.001612';
export const WARD = 'H40.31.01';
export const CITY = 'H40.31';

export const bus = new Bus();
export const as = (person) => ({ as: person });

// An invented citizen number of the province.
export const citizenNumber = () => `036190${String(randomInt(1_000_000)).padStart(6, '0')}`;

// A valid PDF of one page that says these lines; every call makes new bytes.
export function pdf(...lines) {
  const text = [...lines, `ban ${randomBytes(8).toString('hex')}`].map((line) => `(${line}) Tj T*`).join('\n');
  const page = `BT /F1 18 Tf 72 770 Td 26 TL\n${text}\nET\n`;
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>',
    `<</Length ${page.length}>>\nstream\n${page}endstream`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
  ];
  let out = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const at = out.length;
    out += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return String(at).padStart(10, '0');
  });
  const xref = out.length;
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map((at) => `${at} 00000 n \n`).join('')}`;
  out += `trailer\n<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${xref}\n%%EOF\n`;
  return Buffer.from(out, 'latin1');
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// Uploads a document in chunks; its file id.
export async function upload(person, ...lines) {
  const bytes = pdf(...lines);
  const made = await bus.call('digitisation', 'CreateUpload', {
    fileName: 'van-ban.pdf', mediaType: 'application/pdf', sizeBytes: bytes.length, sha256: sha256(bytes),
  }, as(person));
  for (let index = 0; index < made.chunks; index++) {
    const data = bytes.subarray(index * made.chunkBytes, (index + 1) * made.chunkBytes);
    await bus.call('digitisation', 'PutChunk', { uploadId: made.uploadId, index, data, sha256: sha256(data) }, as(person));
  }
  const done = await bus.call('digitisation', 'Complete', { uploadId: made.uploadId }, as(person));
  return done.fileId;
}

// A filing at the ward's desk, complete on paper.
export function filing(changes = {}) {
  return {
    procedureCode: PROCEDURE,
    agencyCode: WARD,
    competentAgencyCode: CITY,
    channel: 'CHANNEL_COUNTER',
    applicant: {
      kind: 'citizen', number: citizenNumber(), name: 'Nguyễn Thị An', phone: '0912000017',
      address: 'Phường Hạ Long, thành phố Nam Định',
    },
    components: [
      { code: 'giay-de-nghi', paperCopies: 1 },
      { code: 'giay-to-chu-ho', paperCopies: 1 },
    ],
    form: [
      { name: 'ten_ho', value: 'Phở bò Hạ Long' },
      { name: 'dia_diem', value: 'Số 1 đường Hạ Long' },
      { name: 'nganh_nghe', value: 'Bán phở' },
      { name: 'von', value: '50000000' },
    ],
    ...changes,
  };
}

export const submit = (changes = {}, person = people.wardClerk, options = {}) =>
  bus.call('dossier', 'Submit', filing(changes), { ...as(person), ...options });

// The first event of a type that match() takes, waited for.
export function event(service, type, match, after = 0) {
  return until(`${type}`, async () => {
    const { events } = await readFeed(bus, service, after);
    return events.find((one) => one.type === type && match(one));
  });
}

export const highWater = async (service) =>
  Number((await bus.call(service, 'Feed.Head', { feed: service })).highWater);
