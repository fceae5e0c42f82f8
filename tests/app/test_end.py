"""What is left of a service that has ended."""

import gc
import weakref
from pathlib import Path

from fastapi import FastAPI

from app.bundle import Bundle
from app.main import create_app
from app.settings import Settings


async def test_a_service_that_has_ended_leaves_neither_itself_in_memory_nor_the_collector_changed(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    async def live() -> weakref.ref[FastAPI]:
        app = create_app(Settings(bundle=tiny_bundle.folder, index=f"edge:{tmp_path / 'none'}"), index_wait_s=0)
        async with app.router.lifespan_context(app):
            assert gc.get_freeze_count() > 0
        return weakref.ref(app)

    before = gc.get_threshold()
    ended = await live()
    gc.collect()
    assert ended() is None
    assert gc.get_threshold() == before
