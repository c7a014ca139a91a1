import { Agent, request } from 'undici'
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
  const agent = new Agent({ maxResponseSize: MAX_BODY_BYTES, connect: { timeout: timeoutMs } })
  try {
    const response = await request(url, {
      dispatcher: agent,
      headers: { accept: 'application/json', ...headers },
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.statusCode !== 200) return err(`${host}: status ${response.statusCode}`)
    return ok(JSON.parse(await response.body.text()))
  } catch (error) {
    return err(`${host}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await agent.destroy()
  }
}
