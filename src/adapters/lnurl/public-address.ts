import ipaddr from 'ipaddr.js'

/** All that the internet's registries hand out to hosts; tunnels, translations and mapped IPv4 lie mostly outside. */
const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an IP address belongs to a host on the public internet, and not to ourselves, a neighbour or a cloud's metadata
 * service: everything but plain unicast is refused, that is loopback, private, link-local, carrier NAT, NAT64, 6to4,
 * Teredo, multicast, broadcast, unspecified, documentation, reserved, unique local and IPv4 in IPv6's clothes
 * (trade.md 4.3). What is no IP address is not public.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.parse(text)
  if (address.range() !== 'unicast') return false
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST_V6)
}
