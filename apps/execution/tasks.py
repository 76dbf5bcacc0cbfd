"""Doorbells' ends: no argument but an id, no logic."""

from __future__ import annotations

from celery import shared_task

from apps.execution.services import pump, start, sweep, timers


@shared_task(name="signals.match")
def match_signals() -> None:
    """Give new signals to the instances that wait for them."""
    pump.run_match()


@shared_task(name="instances.resume")
def resume_instances() -> None:
    """Step the instances for which something has come."""
    pump.run_resume()


@shared_task(name="timers.fire")
def fire_timers() -> None:
    """Step the instances whose time has come."""
    timers.fire()


@shared_task(name="maintenance.sweep")
def sweep_all() -> None:
    """Find what was left behind."""
    sweep.sweep()


@shared_task(name="schedules.start")
def start_scheduled(workflow: int) -> None:
    """Start an instance of a workflow with a schedule."""
    start.start_scheduled(workflow)
