"""Who gets in, and how far: groups, login with a second factor, lock-out, and the headers of every answer.

In the order in which a request meets them: `headers`, `lock_out`, `site` (who may see the admin), `login`,
`two_factor`; `groups` says what each group may do, `staff_pages` is where superusers keep users.
"""
