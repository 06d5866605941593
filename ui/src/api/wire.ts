/** Says that an answer does not have the shape that the API promises. */
export class WireError extends Error {
  override name = 'WireError';
}

/**
 * Reads one JSON object of the API. Required fields throw a WireError when they
 * are missing or of another type; optional ones become null. Unknown fields are
 * ignored, so that a newer server can add to its answers.
 */
export class Wire {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    if (!isObject(value)) throw new WireError('The server answered in an unexpected form.');
    this.#fields = value;
  }

  static parse(text: string): Wire {
    try {
      return new Wire(JSON.parse(text));
    } catch (error) {
      if (error instanceof WireError) throw error;
      throw new WireError('The server sent something that is not JSON.');
    }
  }

  text(key: string): string {
    return this.textOrNull(key) ?? this.#missing(key);
  }

  textOrNull(key: string): string | null {
    const value = this.#fields[key];
    return typeof value === 'string' ? value : null;
  }

  number(key: string): number {
    return this.numberOrNull(key) ?? this.#missing(key);
  }

  numberOrNull(key: string): number | null {
    const value = this.#fields[key];
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  }

  booleanOrNull(key: string): boolean | null {
    const value = this.#fields[key];
    return typeof value === 'boolean' ? value : null;
  }

  /** An instant, sent as RFC 3339. */
  instantOrNull(key: string): Date | null {
    const text = this.textOrNull(key);
    if (!text) return null;
    const instant = new Date(text);
    return Number.isNaN(instant.getTime()) ? null : instant;
  }

  object(key: string): Wire {
    return new Wire(this.#fields[key]);
  }

  objects(key: string): Wire[] {
    return this.#list(key).map((item) => new Wire(item));
  }

  objectsOrNone(key: string): Wire[] {
    return Array.isArray(this.#fields[key]) ? this.objects(key) : [];
  }

  texts(key: string): string[] {
    return this.#list(key).filter((item) => typeof item === 'string');
  }

  #list(key: string): unknown[] {
    const value = this.#fields[key];
    // Go writes a nil slice as null.
    if (value === null) return [];
    return Array.isArray(value) ? value : this.#missing(key);
  }

  #missing(key: string): never {
    throw new WireError(`The server's answer lacks "${key}".`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
