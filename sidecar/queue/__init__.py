"""The durable queue: what a script is told to do later is done, whatever dies meanwhile.

A job is a row. Its life (`sidecar.queue.life`) is pure: a job and the time in, the job as it is then out. Every change
of a row is one of its steps, made in a transaction that holds the row.

    added --> delayed --> waiting --> active --> completed
                 ^           ^          |  |
                 |           +-- lost --+  +---> failed   (the dead letters)
                 +------ failed, an attempt is left

**Leases.** Who takes a job has it for some seconds (``due``), and renews that while its run goes on. Each taking counts
up the job's ``lease``: whoever renews, notes, completes or fails a job names the lease that it was given, and is told
that it is lost where it is not the job's any more. So a job that two have run is finished by one. A lease that has
ended is taken away by whichever process looks first. A lost lease is no attempt of the script's; a job that is lost too
often is a dead letter, since most likely it is what kills its processes.

**Times** are the database's own where that is a server, so that machines whose clocks differ agree. ``due`` says when
something is next to be done about a job: a delayed one becomes waiting, an active one's lease ends, one that is over is
forgotten. One index over state and ``due`` serves all three.

**Taking** (`sidecar.queue.taking`). A lane is the jobs of one script in one queue of an app; its head is found by an
index, however many wait behind it. Who takes locks the tenants that it takes for, passing over those that another one
has locked (SKIP LOCKED; in SQLite there is one writer), counts what is active, shares the room that there is
(`sidecar.queue.fair`) and takes the heads. As the tenant is locked, the limits of tenant, queue and script hold over
all machines.

**Batches.** What is asked at the same time is done in one transaction: adding, and everything that names a lease.

The order of locks: a tenant's row of `job_tenants`, jobs, a tenant's row of `job_spaces`. Who adds jobs locks the last
of them alone, and jobs that nobody else sees yet.
"""
