/** Bits per byte that general compressors need for the same documents: the yardstick beside a model's. */
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

export interface CompressorResult {
  readonly name: string;
  readonly bitsPerByte: number;
}

/** Each document by itself, as the model reads them. */
export function compressorBitsPerByte(documents: readonly Uint8Array[]): CompressorResult[] {
  const bytes = documents.reduce((sum, { length }) => sum + length, 0);
  const rate = (compress: (content: Uint8Array) => Uint8Array): number =>
    (8 * documents.reduce((sum, content) => sum + compress(content).length, 0)) / bytes;
  return [
    { name: "gzip -9", bitsPerByte: rate((content) => gzipSync(content, { level: 9 })) },
    {
      name: "brotli",
      bitsPerByte: rate((content) =>
        brotliCompressSync(content, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
          },
        }),
      ),
    },
  ];
}
