"""In which language a page speaks: each word that people read on it, but for what they wrote themselves."""

from __future__ import annotations

import re

from playwright.async_api import Page

READ = """() => {
    const theirs = "bdi, code, pre, kbd, textarea, script, style, option, "
        + ".mono, .text, .brand, [lang]:not(html)";
    const told = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const place = walker.currentNode.parentElement;
        if (!place.closest(theirs) && place.checkVisibility()) told.push(walker.currentNode.data);
    }
    for (const one of document.querySelectorAll("body [title], body [aria-label], body [placeholder]"))
        for (const name of ["title", "aria-label", "placeholder"])
            if (!one.closest(theirs)) told.push(one.getAttribute(name) ?? "");
    const names = [...document.querySelectorAll("bdi")].map((one) => one.textContent).filter(Boolean)
        .sort((one, other) => other.length - one.length);
    return told.concat(names.reduce((title, name) => title.replaceAll(name, ""), document.title));
}"""
NAMES = re.compile(
    r"(?:ft:)?gpt-[\w.:-]+|\b(?:OpenAI|openai|Azure|Nebius|JSONL?|Mortarboard|mini|Ctrl|Shift|Enter|Escape|UTC|SHA)\b"
)
"""What is written the same in every language."""
OTHERS = {"ru": re.compile("[A-Za-z]{2,}"), "en": re.compile("[А-Яа-яЁё]{2,}")}


async def strangers(page: Page, language: str) -> list[str]:
    """What a page says in another language than its reader's."""
    told: list[str] = await page.evaluate(READ)
    return [one.strip() for one in told if OTHERS[language].search(NAMES.sub("", one))]
