// Tells the server the browser's time zone, so that pages show times in it. See payments/admin/times.py.
"use strict";
(function () {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) {
        const secure = location.protocol === "https:" ? "; secure" : "";
        document.cookie = "zone=" + zone + "; path=/; max-age=31536000; samesite=lax" + secure;
    }
})();
