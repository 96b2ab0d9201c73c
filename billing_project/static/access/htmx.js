// What unfold doesn't need of htmx, and the security policy would refuse.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
