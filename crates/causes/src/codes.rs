//! The codes of causes, each with what it means and what helps in general.
//!
//! `AW00xx` are of an instance that lives, `AW01xx` of what could not be executed, `AW02xx` of what a program missed and
//! said so itself, `AW03xx` of how it ended. A code keeps its meaning for ever; `docs/causes.md` is generated from here.

diagnostics::codes! {
    TASK_RUNS = "AW0001": "a simple startup task has not ended yet, and everything after it waits";
        "let the task end; what is to go on beside the role is a task of type `background`".
    NEVER_READY = "AW0002": "the program runs and has not said that it is ready, which its role waits for";
        "have it say so, with a lease of the runtime protocol or `READY=1` on `$NOTIFY_SOCKET`, or set `setReadyOnProcessStart` to `true`".
    SAYS_BUSY = "AW0003": "the role itself says that it is busy";
        "wait until it says otherwise; its detail and its log say what it does".
    ELSEWHERE = "AW0004": "the program listens at another address than its endpoint's";
        "bind to the instance's own address and port, which the role environment and a `RoleInstanceValue` for the endpoint's `@address` and `@port` give".
    NOT_LISTENING = "AW0005": "nothing listens at an endpoint of the instance";
        "have the program listen there before it says that it is ready, or take the endpoint out of the definition".
    FOREGROUND_HOLDS = "AW0006": "a foreground startup task holds a recycle or a stop back until it ends";
        "have the task end on SIGTERM, or make it a task of type `background`".
    STOPS_SLOWLY = "AW0007": "the program was told to stop and has not ended yet";
        "have it end on SIGTERM, or after its *stopping* event; it is killed when the limit for stopping has passed".
    NO_PROGRAM = "AW0101": "a command line names a program that is neither in the approot nor on PATH";
        "put the file into the approot, correct the name, or install the program on this machine".
    NOT_EXECUTABLE = "AW0102": "the file is there and its mode does not allow to execute it";
        "set its x-bit where the package is made: `chmod +x`, or `git update-index --chmod=+x`".
    WRONG_MACHINE = "AW0103": "the program was built for another kind of machine";
        "build it for this machine".
    NO_LOADER = "AW0104": "the loader that the program names is not on this machine";
        "build the program against this machine's C library, or statically, or install the loader".
    NO_LIBRARY = "AW0105": "a shared library that the program needs cannot be found";
        "install the library, link it statically, or put it into the approot and set `LD_LIBRARY_PATH` or a run path of `$ORIGIN`".
    NO_INTERPRETER = "AW0106": "the interpreter in the first line of a script is not on this machine";
        "correct the line that begins with `#!`, or install the interpreter".
    CARRIAGE_RETURNS = "AW0107": "a script has the line ends of Windows, and its interpreter takes them as part of its words";
        "save the script with LF line ends: `sed -i 's/\\r$//' FILE`, and `*.sh text eol=lf` in `.gitattributes`".
    COMMAND_NOT_FOUND = "AW0108": "a script ran a command that the shell could not find";
        "correct its name, put it into the approot, or install it; PATH is the one that approot was started with".
    COMMAND_NOT_EXECUTABLE = "AW0109": "a script ran a file that the shell could not execute";
        "set the x-bit of that file, and build it for this machine".
    NO_PROGRAM_FILE = "AW0110": "the file is neither a program of this machine nor a script with `#!`";
        "name the program itself, or begin the script with `#!` and its interpreter".
    PORT_TAKEN = "AW0201": "the program wanted to listen at an address that something else has";
        "end what listens there, or bind to the instance's own address and not to all of them: other instances have the same port".
    NO_SUCH_ADDRESS = "AW0202": "the program wanted to bind an address that this machine has not";
        "bind to the address that the role environment gives for the endpoint".
    CERTIFICATE_UNREADABLE = "AW0203": "the program may not read a certificate or its key";
        "set the certificate's `permissionLevel` to `limitedOrElevated`, or the role's `executionContext` to `elevated`".
    DEVELOPMENT_STORAGE = "AW0204": "a setting asks for the development storage, and nothing answers there";
        "give the setting a real connection string, or start a storage emulator on this machine".
    STORE_FULL = "AW0205": "a local store is full";
        "write less, delete what is not needed, or raise the store's `sizeInMB`".
    NO_SPACE = "AW0206": "a file system has no space left";
        "make room where the program wrote".
    NODE_MODULE = "AW0207": "a module of Node is not there";
        "install the modules into the role's content before it is packaged: `npm ci`".
    PYTHON_MODULE = "AW0208": "a module of Python is not there";
        "install it for the interpreter that runs the role, or put it into the approot".
    OUT_OF_MEMORY = "AW0209": "the program says that it got no more memory";
        "use less, or choose a larger `vmsize`".
    TASK_FAILED = "AW0301": "a simple startup task did not end with 0, which holds the role back";
        "mend what its last lines say, or have it end with 0 (`exit 0`, on Windows `exit /b 0`) where that is no failure".
    ENDED_WITH_ZERO = "AW0302": "the role's program has ended, with status 0; a worker has to run for ever";
        "have it wait for its work; what is done once is a startup task".
    ENDED_IN_START = "AW0303": "the role's program ended before it was ready";
        "mend what its last lines say".
    ENDED_IN_RUN = "AW0304": "the role's program ended after it had been ready";
        "mend what its last lines say".
    BAD_MEMORY_ACCESS = "AW0305": "a process accessed memory that it does not have (SIGSEGV, SIGBUS)";
        "find the access with a debugger or a sanitizer; a core dump, if the machine keeps them, shows it".
    ABORTED = "AW0306": "a process ended itself with SIGABRT: a failed assertion, a corrupted heap, an uncaught exception";
        "its last lines mostly say which".
    ILLEGAL_INSTRUCTION = "AW0307": "a process met an instruction that this processor does not have (SIGILL), or a trap";
        "build it for this processor: not with `-march=native` or `target-cpu=native` of another".
    PANICKED = "AW0308": "a program in Rust panicked";
        "mend what the panic says; `RUST_BACKTRACE=1` in the role's environment shows where".
    MEMORY_LIMIT = "AW0309": "a process was killed because the instance has used all memory that it may";
        "use less, or choose a larger `vmsize`".
    KILLED_FROM_OUTSIDE = "AW0310": "something that is not approot killed a process with SIGKILL";
        "find out who: an operator, or the kernel for want of memory on the whole machine, which `dmesg` then tells".
    SIGNALLED_FROM_OUTSIDE = "AW0311": "something that is not approot sent a process a signal that ended it";
        "find out who sent it".
    FILE_SIZE_LIMIT = "AW0312": "a process wrote a file larger than it may (SIGXFSZ)";
        "write smaller files, or start approot with a larger limit (`ulimit -f`)".
    STOP_LIMIT = "AW0313": "a process did not end in the time that it has to stop, and was killed";
        "have it end on SIGTERM, or after its *stopping* event".
    FOREGROUND_LIMIT = "AW0314": "a foreground task did not end in the time that it may hold a stop back, and was killed";
        "have the task end on SIGTERM, or make it a task of type `background`".
    TASK_NOT_STARTED = "AW0315": "the kernel refused to start a task or a program";
        "the reason that the message gives is the kernel's own".
    WATCHDOG_LIMIT = "AW0316": "the role's program gave no sign of life in the time that it had promised one, and was killed";
        "have it say `WATCHDOG=1` more often than every `$WATCHDOG_USEC` while it is well, or raise the option `watchdog_s`".
}
