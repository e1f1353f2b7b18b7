import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const BYTES_PER_PIXEL = 3;

/**
 * Packs a picture that a browser took more tightly: the same pixels, without filters. Those are for photographs; where most pixels
 * are like their neighbours, they cost a fifth (PNG, third edition, section 12.7).
 *
 * @param png eight bits each of red, green and blue, not interlaced
 */
export function packPng(png: Buffer): Buffer {
  const chunks = readChunks(png);
  const header = chunks.find(({ type }) => type === 'IHDR')?.data ?? Buffer.alloc(0);
  // Depth, colours, compression, filters, interlacing: section 11.2.1.
  if (header.subarray(8).toString('hex') !== '0802000000') throw new TypeError('another kind of PNG');
  const data = inflateSync(
    Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(each => each.data)),
  );
  takeFiltersOff(data, header.readUInt32BE(0) * BYTES_PER_PIXEL);
  return Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    writeChunk('IHDR', header),
    writeChunk('IDAT', deflateSync(data, { level: 9, memLevel: 9 })),
    writeChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Each line is its filter and its bytes; section 9.2 has what each filter is. */
function takeFiltersOff(data: Buffer, lineBytes: number): void {
  for (let start = 0; start < data.length; start += lineBytes + 1) {
    const filter = data[start];
    data[start] = 0;
    for (let at = start + 1; at <= start + lineBytes; at += 1) {
      const hasLeft = at - start > BYTES_PER_PIXEL;
      const left = hasLeft ? (data[at - BYTES_PER_PIXEL] ?? 0) : 0;
      const above = data[at - lineBytes - 1] ?? 0;
      const corner = hasLeft ? (data[at - lineBytes - 1 - BYTES_PER_PIXEL] ?? 0) : 0;
      // What a filter took away.
      const taken = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter ?? 0] ?? 0;
      data[at] = (data[at] ?? 0) + taken;
    }
  }
}

function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner;
  const [byLeft, byAbove, byCorner] = [left, above, corner].map(each => Math.abs(estimate - each)) as [
    number,
    number,
    number,
  ];
  if (byLeft <= byAbove && byLeft <= byCorner) return left;
  return byAbove <= byCorner ? above : corner;
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function readChunks(png: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE_BYTES; at < png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.push({
      type: png.toString('latin1', at + 4, at + 8),
      data: png.subarray(at + 8, at + 8 + length),
    });
    at += length + 12;
  }
  return chunks;
}

function writeChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(data.length + 12);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, data.length + 8)), data.length + 8);
  return chunk;
}
