#include "bridge/base/process.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/clock.h"

#define SECOND INT64_C(1000000)

const struct process_figure process_table[PROCESS_FIGURE_COUNT] = {
    [PROCESS_CPU] = {"process_cpu_seconds_total", "counter", "", "CPU time spent.", true},
    [PROCESS_RESIDENT] = {"process_resident_memory_bytes", "gauge", "", "Memory in use.", false},
    [PROCESS_VIRTUAL] = {"process_virtual_memory_bytes", "gauge", "", "Address space.", false},
    [PROCESS_THREADS] = {"process_threads", "gauge", "", "Threads.", false},
    [PROCESS_OPEN_FILES] = {"process_open_fds", "gauge", "", "Open file descriptors.", false},
    [PROCESS_MAX_FILES] = {"process_max_fds", "gauge", "", "Most file descriptors.", false},
    [PROCESS_START] = {"process_start_time_seconds", "gauge", "", "When it was started.", true},
    [PROCESS_BUILD] = {"bridge_build_info", "gauge", "{version=\"" BRIDGE_VERSION "\"}",
                       "1; the label is the version.", false},
};

/* proc(5): after the name in parentheses; 1 is the state. */
enum stat_field { STAT_THREADS = 18, STAT_START = 20, STAT_VIRTUAL = 21, STAT_RESIDENT = 22 };

static int64_t count_files(void)
{
    int64_t count = -1; /* the one that reads the folder */
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

static void read_stat(struct process_figures *figures)
{
    char text[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return;
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    char *next = strrchr(text, ')');
    for (int field = 1; next != NULL && (next = strchr(next, ' ')) != NULL; field++) {
        int64_t value = strtoll(++next, NULL, 10);
        if (field == STAT_THREADS)
            figures->values[PROCESS_THREADS] = value;
        else if (field == STAT_START)
            figures->values[PROCESS_START] = value;
        else if (field == STAT_VIRTUAL)
            figures->values[PROCESS_VIRTUAL] = value;
        else if (field == STAT_RESIDENT)
            figures->values[PROCESS_RESIDENT] = value * sysconf(_SC_PAGESIZE);
    }
}

/* Once: /proc tells it on another clock, and the wall clock may jump afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int64_t start_us;

static void find_start(void)
{
    struct process_figures figures = {0};
    struct timespec up;
    read_stat(&figures);
    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    int64_t up_us = up.tv_sec * SECOND + up.tv_nsec / 1000;
    int64_t since_us = figures.values[PROCESS_START] * SECOND / sysconf(_SC_CLK_TCK);
    start_us = clock_wall_ms() * 1000 - (up_us - since_us);
}

struct process_figures process_figures(void)
{
    struct process_figures figures = {.values = {[PROCESS_BUILD] = 1}};
    struct rusage usage;
    struct rlimit files;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        figures.values[PROCESS_CPU] = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SECOND +
                                      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        figures.values[PROCESS_MAX_FILES] = (int64_t)files.rlim_cur;
    figures.values[PROCESS_OPEN_FILES] = count_files();
    read_stat(&figures);
    (void)pthread_once(&once, find_start);
    figures.values[PROCESS_START] = start_us;
    return figures;
}
