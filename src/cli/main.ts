#!/usr/bin/env node
import { run } from './cli.ts'
import { processIo } from './io.ts'

const code = await run(process.argv.slice(2), processIo(import.meta.filename))
if (code !== null) process.exitCode = code
