"""How Kazakh pages write times: to the second, sortable, as support compares them with logs."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
