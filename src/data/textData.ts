/**
 * The text of a run: its sources, their files, and which documents are for training and which held out. Neither depends on a tokenizer,
 * so the tokenizer can be trained on exactly the documents that the model is. Listing is done at once, looking into the files when asked.
 */
import { type Document, defaultReadOptions, type ReadOptions, readDocuments } from "./documents.js";
import { type Held, type ScannedSource, scanSource } from "./scan.js";
import { type DataFile, type DataSource, listFiles } from "./sources.js";

export interface TextDataOptions {
  /** Share of the bytes to hold out. Default 0.02. */
  readonly validationFraction?: number | undefined;
  /** Most bytes to hold out. Default 4 MB. */
  readonly validationMaxBytes?: number | undefined;
  readonly read?: Partial<ReadOptions> | undefined;
}

export interface TextDataSettings {
  readonly validationFraction: number;
  readonly validationMaxBytes: number;
  readonly read: ReadOptions;
}

export interface ScanProgress {
  readonly phase: "scan";
  readonly source: string;
  readonly documents: number;
  readonly bytes: number;
  readonly totalBytes: null;
}

export interface PlacedDocument extends Document {
  /** Counted over all documents of the source. */
  readonly index: number;
  readonly side: Held;
}

export class TextData {
  readonly sources: readonly DataSource[];
  /** Files of each source. */
  readonly files: readonly (readonly DataFile[])[];
  readonly settings: TextDataSettings;
  #scans: readonly ScannedSource[] | null = null;

  /** @throws RangeError for paths that don't exist, and without sources */
  constructor(sources: readonly DataSource[], options: TextDataOptions = {}) {
    if (sources.length === 0) throw new RangeError("no data: give a file or folder (--data PATH)");
    const { validationFraction = 0.02, validationMaxBytes = 4e6 } = options;
    if (!(validationFraction >= 0 && validationFraction < 1)) {
      throw new RangeError(`validation share must be in [0, 1), got ${validationFraction}`);
    }
    this.sources = sources;
    this.settings = { validationFraction, validationMaxBytes, read: { ...defaultReadOptions, ...options.read } };
    this.files = sources.map(({ paths }) => listFiles(paths));
  }

  /**
   * Reads everything once: duplicates, the split, counts. Done at the first call only.
   * @throws RangeError for malformed files, a source without text, or nothing to hold out; the abort reason
   */
  async scan(
    onProgress: (progress: ScanProgress) => void = () => {},
    signal: AbortSignal | null = null,
  ): Promise<readonly ScannedSource[]> {
    if (this.#scans) return this.#scans;
    const sizes = this.files.map((files) => files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const { read, validationFraction: fraction, validationMaxBytes } = this.settings;
    const seen = new Set<string>();
    const scans: ScannedSource[] = [];
    for (const [i, { name: source }] of this.sources.entries()) {
      // Seed 0: the same documents for every training seed, so that runs can be compared.
      const maxBytes = total === 0 ? 0 : (validationMaxBytes * (sizes[i] ?? 0)) / total;
      const onDocument = (documents: number, bytes: number): void =>
        onProgress({ phase: "scan", source, documents, bytes, totalBytes: null });
      const split = { seed: 0, fraction, maxBytes };
      scans.push(await scanSource(source, this.files[i] ?? [], { read, split, seen, signal, onDocument }));
    }
    if (fraction > 0 && validationMaxBytes > 0 && scans.every(({ heldDocuments }) => heldDocuments === 0)) {
      throw new RangeError("the data is one short document, which leaves nothing to validate on; give more text");
    }
    this.#scans = scans;
    return scans;
  }

  /**
   * Documents of a source, duplicates too, in their order. Scans first if that has not been done.
   * @throws RangeError if a file has changed since
   */
  async *documents(sourceIndex: number, signal: AbortSignal | null = null): AsyncGenerator<PlacedDocument> {
    const scan = (await this.scan(undefined, signal))[sourceIndex];
    if (!scan) throw new RangeError(`source ${sourceIndex} is outside [0, ${this.sources.length})`);
    let index = 0;
    for (const file of this.files[sourceIndex] ?? []) {
      for await (const document of readDocuments(file, scan.read, () => {})) {
        signal?.throwIfAborted();
        const side = scan.sides[index];
        if (side === undefined || scan.lengths[index] !== document.content.length) throw changed(file.path);
        yield { ...document, index: index++, side };
      }
    }
    if (index !== scan.sides.length) throw changed(this.files[sourceIndex]?.at(-1)?.path ?? "data");
  }

  /** Training texts of all sources, for a tokenizer to be trained on. */
  async *trainingTexts(signal: AbortSignal | null = null): AsyncGenerator<Uint8Array> {
    for (const i of this.sources.keys()) {
      for await (const { side, content } of this.documents(i, signal)) if (side === "training") yield content;
    }
  }
}

function changed(path: string): RangeError {
  return new RangeError(`${path}: changed while the data was read; run again`);
}
