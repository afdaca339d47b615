"""Ask a server of `coterie serve` with OpenAI's client: a question, and a picture if one is given.

python examples/ask_server.py http://127.0.0.1:8000/v1 ocr "What does it say?" page.png
"""

import base64
import sys

from openai import OpenAI

address, task, question, *pictures = sys.argv[1:]
parts = [{"type": "text", "text": question}]
for path in pictures:
    with open(path, "rb") as file:
        data = base64.b64encode(file.read()).decode()
    url = f"data:image/png;base64,{data}"  # pictures are in the request; addresses are not fetched
    parts.append({"type": "image_url", "image_url": {"url": url}})

with OpenAI(base_url=address, api_key="none") as client:  # the key of --api-key, if there is one
    answer = client.chat.completions.create(
        model=task, messages=[{"role": "user", "content": parts}], stream=True
    )
    for piece in answer:
        print(piece.choices[0].delta.content or "", end="", flush=True)
    print()
