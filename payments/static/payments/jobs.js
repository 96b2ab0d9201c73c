// A job's progress: asked for each second while it runs, and the page made anew when that has changed.
(() => {
    const job = document.getElementById("job");
    const bar = document.getElementById("job-bar");
    const show = (now) => {
        bar.max = now.total;
        bar.value = now.total - now.waiting;
        for (const name of ["done", "refused", "waiting"]) {
            document.getElementById(`job-${name}`).textContent = now[name];
        }
    };
    const ask = async () => {
        try {
            const answer = await fetch(job.dataset.progress, { headers: { Accept: "application/json" } });
            if (answer.ok) {
                const now = await answer.json();
                show(now);
                if (now.state !== job.dataset.state) {
                    window.location.reload();
                    return;
                }
            }
        } catch {
            // The network is away: the next time will tell.
        }
        window.setTimeout(ask, 1000);
    };
    ask();
})();
