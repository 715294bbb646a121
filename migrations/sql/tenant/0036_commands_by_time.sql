-- What was sent since a moment is counted for the limit commands_per_day.
create index commands_by_time on commands (created_at);
