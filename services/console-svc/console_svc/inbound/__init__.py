"""What comes in: events, HTTP requests, schedules."""
