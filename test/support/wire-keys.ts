/** The keys of the protocol's deterministic test vector (wire.md 5.3). */
import { hexToBytes } from '../../src/wire/hex.ts'

const key = (secret: string, pubkey: string) => ({ secretKey: hexToBytes(secret), pubkey })

export const identityKey = key(
  'df5ba9d72ec62e9d39a095f1b86936fe10abfc7d56700caa1652a463a40d19b1',
  'b4bf6548df043786641d4b63e748eda4b55fce21beae991512d23487c7bd8950',
)
export const tradeKey = key(
  '977b9da8056e6a83a991cb31ac507b0a618fbbee355e36e107e0e348686ab833',
  '1c71f0a29c9d14198781f36897c6d6c08e2c4f905ba69fc5f8e67d375d705a8a',
)
export const otherTradeKey = key(
  '03c78114b80a2db782bb86be47c8062388d78a0585dfa79b8594e105740758c3',
  '5011d0e7a57ae27627ab76962537072c6809ef3b9e24c2e3db4e672c61624eef',
)
export const nodeKey = key(
  'e49a844db463f2e9ed977f77b70383e41218d5dcd39eb2ebd1c0e57ebaa5e750',
  '8fab0dfa27361db8e978858ab32dae36cc697ff5e012e99fefbffe58b28c14b8',
)
