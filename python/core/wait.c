/* Ctrl-C while the library waits for a server or works: Python's handlers run between two bytecodes only, so a call
 * that blocks has to be ended first. During such a call of the main thread a handler stands in front of Python's, which
 * interrupts the library and passes the signal on. */
#include "core.h"

#include <signal.h>
#include <sys/syscall.h>

static const int numbers[] = {SIGINT, SIGTERM};
enum { SIGNALS = sizeof numbers / sizeof *numbers };

static struct sigaction before[SIGNALS];
static volatile sig_atomic_t came;
static int depth; /* of the main thread: a progress callback may wait too */

static void take_signal(int number, siginfo_t *info, void *place) {
  came = 1;
  mlaas_interrupt();
  for (int i = 0; i < SIGNALS; i++) {
    if (numbers[i] != number)
      continue;
    if (before[i].sa_flags & SA_SIGINFO)
      before[i].sa_sigaction(number, info, place);
    else
      before[i].sa_handler(number);
  }
}

static bool is_main(void) { return syscall(SYS_gettid) == getpid(); }

void core_wait_begin(void) {
  if (!is_main() || depth++ > 0)
    return;
  came = 0;
  mlaas_interrupt_clear();
  mlaas_interrupt_watch(true);
  for (int i = 0; i < SIGNALS; i++) {
    struct sigaction action = {.sa_sigaction = take_signal, .sa_flags = SA_SIGINFO};
    sigaction(numbers[i], NULL, &before[i]);
    action.sa_mask = before[i].sa_mask;
    bool is_plain = !(before[i].sa_flags & SA_SIGINFO);
    bool is_set = !is_plain || (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN);
    if (is_set) /* what would end the process, or is ignored, stays so */
      sigaction(numbers[i], &action, NULL);
  }
}

bool core_wait_end(void) {
  if (!is_main())
    return false;
  if (--depth > 0)
    return came;
  for (int i = 0; i < SIGNALS; i++)
    sigaction(numbers[i], &before[i], NULL);
  mlaas_interrupt_watch(false);
  mlaas_interrupt_clear();
  return came;
}

bool core_wait_again(void) {
  if (PyErr_CheckSignals() != 0)
    return false;
  if (depth > 0 && is_main()) { /* the outer call does not end either */
    came = 0;
    mlaas_interrupt_clear();
  }
  return true;
}

PyObject *core_interruptible(PyObject *module, PyObject *function) {
  (void)module;
  core_wait_begin();
  PyObject *result = PyObject_CallNoArgs(function), *type, *value, *traceback;
  if (!core_wait_end() || result)
    return result;
  PyErr_Fetch(&type, &value, &traceback);
  if (PyErr_CheckSignals() == 0) {
    PyErr_Restore(type, value, traceback);
    return NULL;
  }
  Py_XDECREF(type); /* what the interrupt led to; its own exception says more */
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  return NULL;
}
