"""Chat through the gateway with the official `openai` package: only address, token and model's name are ours.

GATEWAY_URL=http://127.0.0.1:18104/v1 TOKEN=… python chat.py shop dialog-1 "Where is my order?"
"""

import os
import sys

from openai import OpenAI


def main(agent_id: str, dialog_id: str, text: str) -> None:
    """Ask one question and print the answer as it comes."""
    client = OpenAI(base_url=os.environ["GATEWAY_URL"], api_key=os.environ["TOKEN"])
    stream = client.chat.completions.create(
        model=f"agent:{agent_id}",
        messages=[{"role": "user", "content": text}],
        stream=True,
        # the dialog's id keeps it with its model; the message's own id is what edits and ratings refer to
        extra_headers={"X-Dialog-Id": dialog_id, "X-Message-Id": "m1"},
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:4])
