package weir

import (
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// LogDebug writes a line to the host's log, which shows such lines where somebody looks
// for a fault.
func LogDebug(text string) { host.Log(abi.Debug, text) }

// LogInfo writes a line to the host's log: something has happened.
func LogInfo(text string) { host.Log(abi.Info, text) }

// LogWarn writes a line to the host's log: something is not as it should be.
func LogWarn(text string) { host.Log(abi.Warn, text) }

// LogError writes a line to the host's log: something has failed.
func LogError(text string) { host.Log(abi.Error, text) }
