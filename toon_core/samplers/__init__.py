"""Samplers: functions of a denoiser and a schedule, one algorithm a file."""
