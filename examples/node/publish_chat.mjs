// Publish a dialog to `chat.events`, as a chat backend does that talks to its models itself.
// One writer a dialog: its events share a key and are sent in order. A message's id makes sending it again harmless.
//
//   KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme node publish_chat.mjs dialog-1 shop
import { Producer, stringSerializers } from '@platformatic/kafka'
import { BROKERS, PREFIX, headers, key } from './events.mjs'

const [dialogId, agentId] = process.argv.slice(2)
const tenant = process.env.TENANT
const now = () => new Date().toISOString()
const common = { dialog_id: dialogId, agent_id: agentId }
const message = (id, role, content) => ({
  ...common,
  source: 'live', // `replaces: <message id>` beside it when an earlier message was edited
  message: { id, role, author: role === 'user' ? 'client' : 'model', content, at: now() }
})
const events = [
  ['chat.message_posted.v1', message('m1', 'user', 'Where is my order 4711?')],
  ['chat.message_posted.v1', message('m2', 'assistant', 'It arrives on Thursday.')],
  ['chat.dialog_ended.v1', { ...common, outcome: 'solved', at: now() }]
]

const producer = new Producer({ ...BROKERS, serializers: stringSerializers, idempotent: true, acks: -1 })
try {
  for (const [type, body] of events) {
    const record = { topic: `${PREFIX}chat.events`, key: key(tenant, dialogId), value: JSON.stringify(body) }
    await producer.send({ messages: [{ ...record, headers: headers(type, tenant) }] })
  }
} finally {
  await producer.close()
}
