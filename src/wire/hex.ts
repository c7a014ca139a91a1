/** Bytes as lower-case hex and back. */
import { hash } from 'node:crypto'

const LOWER_HEX = /^[0-9a-f]*$/

/** Whether a text is exactly `bytes` bytes in lower-case hex, the only form that NIP-01 knows. */
export const isHex = (text: string, bytes: number): boolean => text.length === bytes * 2 && LOWER_HEX.test(text)

/** Lower-case hex. */
export const bytesToHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Bytes of a text that {@link isHex} accepted. */
export const hexToBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

/** SHA-256 of bytes, or of a text as UTF-8. */
export const sha256 = (data: Uint8Array | string): Uint8Array => new Uint8Array(hash('sha256', data, 'buffer'))

/** The same in lower-case hex. */
export const sha256Hex = (data: Uint8Array | string): string => hash('sha256', data, 'hex')
