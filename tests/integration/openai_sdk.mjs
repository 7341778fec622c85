// The official package for Node against the gateway: prints what it saw as JSON.
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: process.env.TOKEN, maxRetries: 0 })
const model = 'agent:shop'
const ask = text => ({ model, messages: [{ role: 'user', content: text }] })
const seen = {}

const { data: plain, response, request_id: requestId } = await client.chat.completions.create(ask('Apples?')).withResponse()
seen.plain = plain.choices[0].message.content
seen.usage = plain.usage.total_tokens
seen.model = response.headers.get('x-model')
seen.requestId = requestId

const streamed = await client.chat.completions.create({ ...ask('Apples?'), stream: true, stream_options: { include_usage: true } })
seen.streamed = ''
for await (const chunk of streamed) {
  seen.streamed += chunk.choices[0]?.delta?.content ?? ''
  if (chunk.usage) seen.streamedUsage = chunk.usage.total_tokens
}

const called = await client.chat.completions.stream({ ...ask('Look at the stock of apples.') }).finalChatCompletion()
seen.called = called.choices[0].message.tool_calls[0].function
seen.choices = (await client.chat.completions.create({ ...ask('Twice?'), n: 2 })).choices.length
seen.models = (await client.models.list()).data.map(one => one.id)

try {
  await client.chat.completions.create({ ...ask('Who?'), model: 'agent:nobody' })
} catch (error) {
  seen.error = { kind: error.constructor.name, status: error.status, code: error.code, type: error.type, message: error.message }
}
console.log(JSON.stringify(seen))
