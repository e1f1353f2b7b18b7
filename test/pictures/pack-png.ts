import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const BYTES_PER_PIXEL = 3;
/** Section 11.2.1. */
const INDEXED = 3;

const MOST_COLOURS = 256;

/**
 * Packs a picture that a browser took more tightly: with its 256 most frequent colours, and without filters. Pages have few colours, and
 * what is rare are shades at the edge of a letter. Filters are for photographs (PNG, third edition, section 12.7).
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
  const lineBytes = header.readUInt32BE(0) * BYTES_PER_PIXEL;
  takeFiltersOff(data, lineBytes);
  const palette = mostFrequentColours(data, lineBytes);
  header[9] = INDEXED;
  return Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    writeChunk('IHDR', header),
    writeChunk('PLTE', Buffer.from(palette.flatMap(channelsOf))),
    writeChunk('IDAT', deflateSync(indexed(data, lineBytes, palette), { level: 9, memLevel: 9 })),
    writeChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** In an order that depends on nothing but the picture. */
function mostFrequentColours(data: Buffer, lineBytes: number): readonly number[] {
  const counts = new Map<number, number>();
  for (const colour of coloursOf(data, lineBytes)) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  return [...counts]
    .toSorted(([colour, count], [other, ofOther]) => ofOther - count || colour - other)
    .slice(0, MOST_COLOURS)
    .map(([colour]) => colour);
}

/** The lines anew, each of its filter, which is none, and the places of its colours in the palette. */
function indexed(data: Buffer, lineBytes: number, palette: readonly number[]): Buffer {
  const width = lineBytes / BYTES_PER_PIXEL;
  const places = new Map(palette.map((colour, place) => [colour, place]));
  const lines = Buffer.alloc((data.length / (lineBytes + 1)) * (width + 1));
  let pixel = 0;
  for (const colour of coloursOf(data, lineBytes)) {
    const place = places.get(colour) ?? nearest(colour, palette);
    places.set(colour, place);
    lines[pixel + Math.floor(pixel / width) + 1] = place;
    pixel += 1;
  }
  return lines;
}

function* coloursOf(data: Buffer, lineBytes: number): Generator<number> {
  for (let start = 1; start < data.length; start += lineBytes + 1) {
    for (let at = start; at < start + lineBytes; at += BYTES_PER_PIXEL)
      yield data.readUIntBE(at, BYTES_PER_PIXEL);
  }
}

function nearest(colour: number, palette: readonly number[]): number {
  const channels = channelsOf(colour);
  const distances = palette.map(each =>
    channelsOf(each).reduce((sum, value, channel) => sum + (value - (channels[channel] ?? 0)) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

function channelsOf(colour: number): readonly number[] {
  return [colour >> 16, (colour >> 8) & 0xff, colour & 0xff];
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
