// Follow `agent.routed` and ask the provider oneself: for a backend that does not go through the gateway.
// The topic is compacted: its last record for each agent says what serves it. Every instance reads all of it, under
// a group of its own that commits nothing, and again from the beginning after a restart.
//
//   export PROVIDERS='{"openai": {"baseURL": "https://…/v1", "apiKey": "sk-…"}}'
//   KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme node routes.mjs shop dialog-1 "Where is my order?"
import { randomUUID } from 'node:crypto'
import { Consumer, stringDeserializers } from '@platformatic/kafka'
import OpenAI from 'openai'
import { BROKERS, PREFIX, choose } from './events.mjs'

const TOPIC = `${PREFIX}agent.routed`
const GROUP = 'chat-backend.agent.routed' // chat-backend has a right to groups that begin so
const PATIENCE = 2_000 // milliseconds without a record: the end of what is there
const routes = new Map()

/** Take a record in; one of another tenant, or older than what is known, changes nothing. */
function take (record) {
  if (record.headers.get('ce_tenantid') !== process.env.TENANT || !record.value) return
  const body = JSON.parse(record.value)
  const sequence = Number(record.headers.get('ce_sequence') ?? 0)
  if (sequence > (routes.get(body.agent_id)?.sequence ?? 0)) routes.set(body.agent_id, { sequence, ...body })
}

/** Whom to ask for a dialog, and whom next when that fails; empty: the agent's base model. */
function targets (agentId, dialogId) {
  const effective = routes.get(agentId)?.effective
  if (!effective) return []
  const chosen = effective.targets[choose(agentId, dialogId, effective.targets.map(one => one.share))]
  return effective.fallback ? [chosen, effective.fallback] : [chosen]
}

/** Read what is there now. A backend goes on reading; this program needs no more. */
async function readAll () {
  const consumer = new Consumer({ ...BROKERS, groupId: `${PREFIX}${GROUP}.${randomUUID()}`, deserializers: stringDeserializers })
  const stream = await consumer.consume({
    topics: [TOPIC], mode: 'earliest', isolationLevel: 'READ_COMMITTED', autocommit: false
  })
  let quiet = setTimeout(() => stream.destroy(), 4 * PATIENCE)
  stream.on('data', record => {
    take(record)
    clearTimeout(quiet)
    quiet = setTimeout(() => stream.destroy(), PATIENCE)
  })
  await new Promise(resolve => stream.once('close', resolve))
  await consumer.close(true)
}

/** Ask the first target that answers. Which failures the next one may not have is up to you. */
async function ask (asked, text) {
  const providers = JSON.parse(process.env.PROVIDERS)
  let error = new Error("no route: ask the agent's base model")
  for (const { provider, model } of asked) {
    try {
      const client = new OpenAI({ ...providers[provider], maxRetries: 0 })
      const answer = await client.chat.completions.create({ model, messages: [{ role: 'user', content: text }] })
      return `${model}: ${answer.choices[0].message.content}`
    } catch (failed) {
      error = failed
    }
  }
  throw error
}

const [agentId, dialogId, text] = process.argv.slice(2)
await readAll()
console.log(await ask(targets(agentId, dialogId), text))
