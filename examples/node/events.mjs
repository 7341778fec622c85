// What publishing and reading have in common: keys, CloudEvents headers, and which target serves a dialog.
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'

const given = process.env
const brokers = (given.KAFKA_BOOTSTRAP ?? '').split(',')
const security = given.KAFKA_SECURITY || 'PLAINTEXT'
if (!['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'].includes(security)) {
  throw new Error(`KAFKA_SECURITY is ${security}, not PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL`)
}
const needed = name => given[name] || (() => { throw new Error(`${name} is not set`) })()
const file = name => given[name] && readFileSync(given[name], 'utf8')

/** TLS and SASL as the brokers ask for them; production wants KAFKA_SECURITY=SASL_SSL. */
const tls = () => ({
  tls: { ca: file('KAFKA_CA_FILE'), cert: file('KAFKA_CERT_FILE'), key: file('KAFKA_KEY_FILE') },
  tlsServerName: !isIP(brokers[0].split(':')[0]) // brokers that share an address are told apart by the name asked for
})
const sasl = (password = needed('KAFKA_PASSWORD_FILE')) => ({
  mechanism: given.KAFKA_SASL_MECHANISM || 'SCRAM-SHA-512',
  username: needed('KAFKA_USERNAME'),
  password: () => readFileSync(password, 'utf8').trim() // read at each connection: a new one needs no restart
})

export const PREFIX = given.TOPIC_PREFIX ?? ''
export const BROKERS = {
  clientId: 'my-chat-backend',
  bootstrapBrokers: brokers,
  ...(security.endsWith('SSL') && tls()),
  ...(security.startsWith('SASL') && { sasl: sasl() })
}

/** Percent-encode as the contract does: everything but letters, digits and _ . - ~ */
const encode = text => encodeURIComponent(text).replace(/[!'()*]/g, sign => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

/** The record key: tenant and dialog. */
export const key = (tenant, id) => `${encode(tenant)}/${encode(id)}`

/** CloudEvents in binary mode: what the event is goes into the headers, the body is plain JSON. */
export const headers = (type, tenant) => ({
  ce_specversion: '1.0',
  ce_id: randomUUID(),
  ce_source: '/my-chat-backend',
  ce_type: type,
  ce_time: new Date().toISOString(),
  ce_tenantid: tenant,
  'content-type': 'application/json'
})

/** Which target serves a dialog: the same one in every program (contracts/examples/share_vectors.json). */
export function choose (agentId, dialogId, shares) {
  const digest = createHash('sha256').update(`${agentId}|${dialogId}`).digest()
  const point = Number(digest.readBigUInt64BE()) / 2 ** 64
  let upto = 0
  for (const [index, share] of shares.entries()) {
    upto += share
    if (point < upto) return index
  }
  return shares.length - 1
}
