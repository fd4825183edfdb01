"""Who leads the loop, and how the lead goes over (DESIGN section 5).

The loop belongs to no thread.  Exactly one thread leads it; what it is doing there stands in the
loop (the rest of the batch of events) and in its `Workspace` (the bytes of the present request),
nothing on its stack.  Applications run in the leader.  When a call lasts, the monitor (lead.h)
wakes a resting thread; that one takes the lead here, and makes the late call one of a general
connection, whose exchange may be answered from any thread.  The late thread finds out as soon
as the application returns or calls `start_response` (`Call.moved`): it goes on as any worker
does, and rests or works afterwards.

**The GIL is the lock of all this**: between the question whether the call is late and the taking
of the lead no Python code runs, nor between the return of an application and the end of its call.
What is done behind that for the late call runs Python code; `Workspace.moving` makes the late
thread wait for the end of it.
"""

from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdlib cimport calloc

from skitai._speedups.calls cimport Call
from skitai._speedups.loop cimport EventLoop, sk_worker, sk_workers
from skitai._speedups.parking cimport Hub, sk_rester
from skitai._speedups.relief cimport Relief, sk_appoint
from skitai._speedups.workspace cimport Charge

cdef extern from "lead.h" nogil:
    void sk_lead_open(sk_lead *lead)
    int sk_lead_watch(sk_lead *lead)
    void sk_lead_stop(sk_lead *lead)
    int sk_lead_is_late(sk_lead *lead)
    void sk_lead_taken(sk_lead *lead)
    void sk_wake(sk_lead *lead)
    void sk_wake_free(sk_lead *lead)
    void sk_rest(sk_lead *lead, sk_rester *rester)

cdef extern from "workers.h" nogil:
    void sk_worker_joins(sk_workers *workers, sk_worker *worker, unsigned long thread)
    void sk_worker_parts(sk_workers *workers, sk_worker *worker)
    void sk_worker_enters(sk_workers *workers, sk_worker *worker)
    void sk_worker_leaves(sk_workers *workers, sk_worker *worker)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef class Leadership:
    def __init__(self, int threads):
        """``threads`` may be inside applications at once; 0: nobody takes the lead, the monitor only
        does what it can in the leader's place."""
        self.lead_ = <sk_lead *>calloc(1, sizeof(sk_lead))
        if self.lead_ == NULL:
            raise MemoryError
        sk_lead_open(self.lead_)
        self.lead_.threads = threads

    @property
    def busy(self):
        """How many threads but the leader are inside applications."""
        return self.lead_.workers.busy

    def enters(self, Workspace workspace not None):
        """Its thread goes inside an application, or on with one."""
        sk_worker_enters(&self.lead_.workers, &workspace.worker)

    def leaves(self, Workspace workspace not None):
        sk_worker_leaves(&self.lead_.workers, &workspace.worker)

    @property
    def waiting(self):
        """How many jobs wait."""
        return self.lead_.waiting

    @waiting.setter
    def waiting(self, int count):
        self.lead_.waiting = count

    def watch(self, Lanes lanes not None):
        """Start the monitor; ``lanes`` mark their calls from here on."""
        cdef Relief relief = Relief(lanes)
        self.stand_in.relief = relief.relief
        sk_appoint(self.lead_, &self.stand_in)
        lanes.relief = relief
        error = sk_lead_watch(self.lead_)
        if error:
            raise OSError(error, "the monitor thread cannot be started")
        self.lanes = lanes
        lanes.watch(self.lead_)

    def begin(self, Workspace workspace not None):
        """The calling thread leads: nobody did before."""
        self.stand_in.held = &workspace.held
        self.lanes.work = workspace
        self.lanes.loop.thread_id = PyThread_get_thread_ident()
        self.lanes.loop.steps = workspace.hub

    def workspace(self):
        """One for the calling thread."""
        cdef Lanes lanes = self.lanes
        cdef Workspace workspace = Workspace()
        workspace.settle()
        if lanes is not None:
            workspace.hub.settle(lanes.loop, lanes.lead, lanes.clock, lanes.engine.report)
        sk_worker_joins(&self.lead_.workers, &workspace.worker, workspace.hub.ident)
        return workspace

    def retire(self, Workspace workspace not None):
        """Its thread ends."""
        sk_worker_parts(&self.lead_.workers, &workspace.worker)
        workspace.hub.close()

    def take(self, Workspace workspace not None):
        """Take the lead if the leader's call lasts; whether it did."""
        cdef Lanes lanes = self.lanes
        cdef Workspace former
        cdef Call call
        cdef Charge charge
        if lanes is None or not sk_lead_is_late(self.lead_):
            return False
        former = lanes.work
        call = <Call>former.call
        charge = former.charge
        former.hold()
        sk_lead_taken(self.lead_)
        self.stand_in.held = &workspace.held
        sk_worker_enters(&self.lead_.workers, &former.worker)
        lanes.work = workspace
        lanes.loop.thread_id = PyThread_get_thread_ident()
        lanes.loop.steps = workspace.hub
        if call is not None:  # and not a stack that was parked, which has left its lane
            call.moved = True
        try:
            former.send_held()
            if call is not None:
                call.move(former)
            elif charge is not None:
                charge.overtaken(former)
        except Exception:
            lanes.engine.report("taking over from a handler that lasts")
            if call is not None:
                call.over = call.run is None
                call.connection.close()
        finally:
            former.let_go()
        return True

    def lead(self):
        """Run the loop until it stops, then close it, or until another thread has taken the lead."""
        cdef EventLoop loop = self.lanes.loop
        loop.lead(PyThread_get_thread_ident())
        if loop.thread_id == <unsigned long>PyThread_get_thread_ident():
            loop.thread_id = 0
            loop.release()

    def present(self):
        """What the leader calls in its lane at this moment: the method, the target, since when (monotonic
        seconds) and in which thread; None: nothing."""
        cdef Workspace work
        cdef Call call
        if self.lanes is None or self.lanes.work is None:
            return None
        work = self.lanes.work
        call = <Call>work.call
        if call is None or work.hub is None:
            return None
        return call.method, call.target, call.received_at, work.hub.ident

    def wake(self, bint free):
        """One resting thread, or the next that would rest, looks for work; ``free``: one that holds no
        parked stacks.  Any thread."""
        if free:
            sk_wake_free(self.lead_)
        else:
            sk_wake(self.lead_)

    def rest(self, Workspace workspace not None):
        """Until woken."""
        cdef Hub hub = workspace.hub
        hub.rester.holds = hub.parked > 0
        with nogil:
            sk_rest(self.lead_, &hub.rester)

    def stop(self):
        """Nobody rests from here on, nobody is late."""
        with nogil:
            sk_lead_stop(self.lead_)
