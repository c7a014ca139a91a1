import { err, ok, type Result } from '../../core/result.ts'

/** Far above the largest honest answer (currency-api, about 10 KB). */
const MAX_BODY_BYTES = 256 * 1024

/** A GET of an operator's choice: where, with which headers, and how long it may take in all. */
export type JsonRequest = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/**
 * One GET for a JSON document: no redirects, bounded in time and size. Never throws; errors name the host and nothing of
 * the headers. Repeat: safe.
 */
export async function getJson({ url, headers, timeoutMs }: JsonRequest): Promise<Result<unknown, string>> {
  const host = URL.canParse(url) ? new URL(url).host : 'malformed url'
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.status === 200) return ok(JSON.parse(await bodyOf(response)))
    await response.body?.cancel()
    return err(`${host}: status ${response.status}`)
  } catch (error) {
    return err(`${host}: ${reasonOf(error)}`)
  }
}

async function bodyOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new Error(`more than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** `fetch` says only that it failed; why is in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
