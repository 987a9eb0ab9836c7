"""C programs that differ from run to run, in ten ways, each on several places and more or less often.

Nothing here is a fault of a compiler: a candidate that differs from the baseline's run differs as the baseline's next
run does. Each program does some ordinary work beside, so that a search has something to gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

#: Standard output, named files and the exit status are compared strictly. What differs between the baseline's own runs
#: on standard error or in files that nobody named is left out by design.
STRICT = ("stdout", "named", "status")
LENIENT = ("stderr", "unnamed")


@dataclass(frozen=True)
class UnsteadyProgram:
    """One program. way: what makes it differ; place: where that shows; one_in: in about one of so many runs.

    args: of its command line; ``{state}`` stands for a file outside of the folder it runs in, which runs share.
    """

    name: str
    text: str
    way: str
    place: str
    one_in: int
    args: tuple[str, ...]
    ldflags: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files to be named to whoever compares."""
        return ("out.txt",) if self.place == "named" else ()

    @property
    def may_improve(self) -> bool:
        """Whether an improvement is a right answer: where what differs is left out by design, and where the program
        does the same in a folder and from a file of the same name, which is how runs may be set up.
        """
        return self.place in LENIENT or self.way == "surroundings"


def unsteady(seed: int) -> UnsteadyProgram:
    """The program of this seed: ways in turn, and places in turn within each way."""
    random = Random(seed)
    way = WAYS[seed % len(WAYS)]
    place = (*STRICT, *LENIENT)[seed // len(WAYS) % 5]
    one_in = (1, 2, 2, 3)[seed // (5 * len(WAYS)) % 4]
    source, headers = _SOURCES[way]
    changing = source(random) if one_in == 1 else f"chance({one_in}) ? {source(random)} : 7u"
    text = _TEXT.format(
        headers=headers, work=_work(random), changing=changing, report=_REPORTS[place], n=random.randint(100, 900)
    )
    return UnsteadyProgram(f"unsteady-{seed}", text, way, place, one_in, ("{state}",), ("-pthread",))


_TEXT = """\
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static __attribute__((unused)) const char *state;
static __attribute__((unused)) char **arguments;
static unsigned mix(unsigned hash, unsigned value) {{ return (hash ^ value) * 16777619u + (hash >> 13); }}
static __attribute__((unused)) int chance(unsigned one_in) {{
    unsigned char byte = 0;
    int file = open("/dev/urandom", O_RDONLY);
    if (file < 0 || read(file, &byte, 1) != 1) abort();
    close(file);
    return byte % one_in == 0;
}}
{headers}
{work}
int main(int argc, char **argv) {{
    if (argc < 2) return 1;
    arguments = argv;
    state = argv[1];
    unsigned answer = 1;
    for (unsigned i = 0; i < {n}u; i++) answer = work(answer, i);
    unsigned changing = {changing};
{report}
}}
"""

_REPORTS = {
    "stdout": '    printf("%u %u\\n", answer, changing);\n    return 0;',
    "named": """\
    FILE *file = fopen("out.txt", "w");
    fprintf(file, "%u %u\\n", answer, changing);
    printf("%u\\n", answer);
    return fclose(file) != 0;""",
    "status": '    printf("%u\\n", answer);\n    return (int)(changing % 199u);',
    "stderr": '    printf("%u\\n", answer);\n    fprintf(stderr, "progress %u\\n", changing);\n    return 0;',
    "unnamed": """\
    FILE *file = fopen("log.txt", "w");
    fprintf(file, "log %u\\n", changing);
    printf("%u\\n", answer);
    return fclose(file) != 0;""",
}


def _work(random: Random) -> str:
    a, b = random.randint(3, 50), random.randint(3, 50)
    cases = "".join(f"        case {k}: x = mix(x, i * {a + k}u); break;\n" for k in range(5))
    return f"""\
static unsigned work(unsigned x, unsigned i) {{
    for (unsigned j = 0; j < {b}u; j++) switch ((x >> 3) % 6u) {{
{cases}        default: x += i ^ {b}u;
    }}
    return x;
}}"""


def _call(name: str) -> Callable[[Random], str]:
    return lambda random: f"{name}()"


_THREADS = """\
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t start;
static unsigned order;
static void *thread(void *which) {
    pthread_barrier_wait(&start);
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&lock);
        order = mix(order, (unsigned)(uintptr_t)which);
        pthread_mutex_unlock(&lock);
        sched_yield();
    }
    return 0;
}
static unsigned threads(void) {
    pthread_t t[8];
    pthread_barrier_init(&start, 0, 8);
    for (uintptr_t i = 0; i < 8; i++) pthread_create(t + i, 0, thread, (void *)(i + 1));
    for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
    return order;
}"""

_TIME = """\
static unsigned now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (unsigned)t.tv_nsec;
}"""

_COUNTER = """\
static unsigned count(void) {
    unsigned n = 0;
    FILE *file = fopen(state, "r");
    if (file) { if (fscanf(file, "%u", &n) != 1) n = 0; fclose(file); }
    file = fopen(state, "w");
    if (!file) abort();
    fprintf(file, "%u\\n", n + 1);
    fclose(file);
    return n;
}"""

_ADDRESS = """\
static unsigned address(void) {
    void *p = malloc(10);
    unsigned bits = (unsigned)((uintptr_t)p >> 4) ^ (unsigned)((uintptr_t)&p >> 4);
    bits ^= (unsigned)((uintptr_t)&address >> 4);
    free(p);
    return bits;
}"""

_DIRECTORY = """\
static unsigned directory(void) {
    char place[] = "/tmp/unsteady-XXXXXX", path[300];
    if (!mkdtemp(place)) abort();
    unsigned order = 0;
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%c-XXXXXX", place, 'a' + i);
        close(mkstemp(path));
    }
    DIR *folder = opendir(place);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        order = order * 7u + (unsigned)(entry->d_name[0] - 'a') + (unsigned char)entry->d_name[3];
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(place);
    return order;
}"""

_STACK = """\
static __attribute__((noinline)) unsigned garbage(void) {
    unsigned char *p = __builtin_alloca(512);
    __asm__ volatile("" : "+r"(p) : : "memory");
    unsigned sum = (unsigned)((uintptr_t)p >> 4);
    for (int i = 0; i < 512; i++) sum = mix(sum, p[i]);
    return sum;
}"""

#: Each sleeps between its writes: without, all have the same order on a machine where they take turns on one core.
_RACE = """\
static unsigned race(void) {
    char place[] = "/tmp/unsteady-XXXXXX";
    int file = mkstemp(place);
    unsigned order = 0;
    if (file < 0) abort();
    for (int i = 0; i < 6; i++) {
        if (fork() == 0) {
            char c = (char)('a' + i);
            int mine = open(place, O_WRONLY | O_APPEND);
            for (int k = 0; k < 4; k++) { usleep(100); if (write(mine, &c, 1) != 1) _exit(1); }
            _exit(0);
        }
    }
    while (wait(0) > 0) { }
    char text[64] = {0};
    if (pread(file, text, sizeof text, 0) < 0) abort();
    for (int i = 0; i < 24; i++) order = mix(order, (unsigned char)text[i]);
    close(file);
    unlink(place);
    return order;
}"""

#: The folder that it runs in is another one each time; the file that it runs from may be.
_SURROUNDINGS = """\
static unsigned surroundings(void) {
    char text[600] = {0};
    unsigned hash = 1;
    if (!getcwd(text, 300)) abort();
    if (readlink("/proc/self/exe", text + strlen(text), 200) < 0) abort();
    strncat(text, arguments[0], 90);
    for (char *c = text; *c; c++) hash = mix(hash, (unsigned char)*c);
    return hash;
}"""

_RANDOM = """\
static unsigned drawn(void) {
    unsigned value = 0;
    int file = open("/dev/urandom", O_RDONLY);
    if (file < 0 || read(file, &value, sizeof value) != sizeof value) abort();
    close(file);
    return value;
}"""

#: Way -> what gives the value that differs, and the functions that it needs.
_SOURCES: dict[str, tuple[Callable[[Random], str], str]] = {
    "threads": (_call("threads"), _THREADS),
    "process id": (lambda random: "(unsigned)getpid()", ""),
    "time": (_call("now"), _TIME),
    "counter in a file": (lambda random: f"count() / {random.choice((1, 2, 3, 5))}u", _COUNTER),
    "address": (_call("address"), _ADDRESS),
    "random numbers": (_call("drawn"), _RANDOM),
    "order in a folder": (_call("directory"), _DIRECTORY),
    "stack": (_call("garbage"), _STACK),
    "race on a file": (_call("race"), _RACE),
    "surroundings": (_call("surroundings"), _SURROUNDINGS),
}
WAYS = tuple(_SOURCES)
