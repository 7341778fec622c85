// Chat through the gateway with the official `openai` package: only address, token and model's name are ours.
//
//   GATEWAY_URL=http://127.0.0.1:18104/v1 TOKEN=… node chat.mjs shop dialog-1 "Where is my order?"
import OpenAI from 'openai'

const [agentId, dialogId, text] = process.argv.slice(2)
const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: process.env.TOKEN })
const stream = await client.chat.completions.create(
  { model: `agent:${agentId}`, messages: [{ role: 'user', content: text }], stream: true },
  // the dialog's id keeps it with its model; the message's own id is what edits and ratings refer to
  { headers: { 'X-Dialog-Id': dialogId, 'X-Message-Id': 'm1' } }
)
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
process.stdout.write('\n')
