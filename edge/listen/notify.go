package listen

import (
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notify tells systemd about the state of a service of Type=notify or
// notify-reload (sd_notify(3)). Without systemd every method does nothing and
// returns nil. An error means that systemd could not be told; it is worth a log
// line and no more.
type Notify struct{}

// Ready says that the service runs, after its start or a reload. status is a line
// for `systemctl status`; it may be empty.
func (Notify) Ready(status string) error { return notify(daemon.SdNotifyReady, status) }

// Reloading says that a reload has begun; Ready must follow, also if it failed.
func (Notify) Reloading() error {
	// Type=notify-reload wants the time, to tell this reload from an older one.
	return notify(daemon.SdNotifyReloading+"\n"+strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"), "")
}

// Stopping says that the service is shutting down.
func (Notify) Stopping(status string) error { return notify(daemon.SdNotifyStopping, status) }

// Status sets the line for `systemctl status`.
func (Notify) Status(status string) error { return notify("", status) }

// Alive tells the watchdog that the service works.
func (Notify) Alive() error { return notify(daemon.SdNotifyWatchdog, "") }

// Watchdog returns how often Alive is to be called, half of what WatchdogSec=
// says; 0 if nobody watches.
func (Notify) Watchdog() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 2
}

func notify(state, status string) error {
	if status != "" {
		// A line break would start another assignment.
		state += "\nSTATUS=" + strings.Map(printable, status)
	}
	_, err := daemon.SdNotify(false, strings.TrimPrefix(state, "\n"))
	return err
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}
