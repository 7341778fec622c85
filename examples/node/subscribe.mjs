// Follow finished dialogs (`dialog.completed`) and training runs (`training.status`).
// Events come at least once. A finished dialog is recognised by its id and revision; of a run only the newest
// snapshot counts, by `ce_sequence`. Offsets are committed after an event was dealt with, never before.
//
//   KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme node subscribe.mjs
import { Consumer, stringDeserializers } from '@platformatic/kafka'
import { BROKERS, PREFIX } from './events.mjs'

const newest = new Map()

/** The line to print, or undefined for what is not new; unknown types and fields are no mistake. */
function news (headers, body) {
  if (headers.get('ce_type') === 'training.status.v1') {
    return once(`run ${body.run_id}`, Number(headers.get('ce_sequence')), `run ${body.run_id} ${body.status}`)
  }
  if (headers.get('ce_type') === 'dialog.completed.v1') {
    const name = `dialog ${body.dialog_id}`
    return once(name, body.revision, `${name} revision ${body.revision}: ${body.message_count} messages`)
  }
}

function once (name, number, line) {
  if (number <= (newest.get(name) ?? 0)) return
  newest.set(name, number)
  return line
}

const consumer = new Consumer({ ...BROKERS, groupId: `${PREFIX}my-node-subscriber`, deserializers: stringDeserializers })
const stream = await consumer.consume({
  topics: [`${PREFIX}dialog.completed`, `${PREFIX}training.status`],
  mode: 'committed',
  fallbackMode: 'earliest',
  isolationLevel: 'READ_COMMITTED', // state topics are written in transactions
  autocommit: false
})
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    setTimeout(() => process.exit(1), 5000).unref() // a broker that is gone never says goodbye
    consumer.close(true).then(() => process.exit(0))
  })
}
for await (const record of stream) {
  if (record.headers.get('ce_tenantid') === process.env.TENANT) {
    const line = news(record.headers, JSON.parse(record.value))
    if (line) console.log(line)
  }
  await record.commit()
}
