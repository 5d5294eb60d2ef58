//go:build !wasip1

package host

import (
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// nobody is the host where there is none: in a package's init, or in a test that calls
// a filter by itself.
type nobody struct{}

func (nobody) Log(abi.Level, string)                  {}
func (nobody) Now() int64                             { return time.Now().UnixNano() }
func (nobody) SetTick(uint32)                         {}
func (nobody) SetEffectiveContext(uint32) abi.Status  { return abi.BadArgument }
func (nobody) Status() (uint32, string)               { return 0, "" }
func (nobody) SetPairs(abi.Map, []byte) abi.Status    { return abi.NotFound }
func (nobody) Add(abi.Map, string, string) abi.Status { return abi.NotFound }
func (nobody) Remove(abi.Map, string) abi.Status      { return abi.NotFound }
func (nobody) SetProperty(string, []byte) abi.Status  { return abi.NotFound }
func (nobody) Continue(abi.Direction) abi.Status      { return abi.NotFound }
func (nobody) Close(abi.Direction) abi.Status         { return abi.NotFound }
func (nobody) Record(uint32, uint64) abi.Status       { return abi.NotFound }
func (nobody) Increment(uint32, int64) abi.Status     { return abi.NotFound }

func (nobody) Buffer(abi.Buffer, int, int) ([]byte, abi.Status)     { return nil, abi.NotFound }
func (nobody) SetBuffer(abi.Buffer, int, int, []byte) abi.Status    { return abi.NotFound }
func (nobody) Pairs(abi.Map) ([]byte, abi.Status)                   { return nil, abi.NotFound }
func (nobody) Value(abi.Map, string) (string, abi.Status)           { return "", abi.NotFound }
func (nobody) Replace(abi.Map, string, string) abi.Status           { return abi.NotFound }
func (nobody) Property(string) ([]byte, abi.Status)                 { return nil, abi.NotFound }
func (nobody) Reply(int, string, []byte, []byte, int32) abi.Status  { return abi.NotFound }
func (nobody) Foreign(string, []byte) ([]byte, abi.Status)          { return nil, abi.NotFound }
func (nobody) SharedData(string) ([]byte, uint32, abi.Status)       { return nil, 0, abi.NotFound }
func (nobody) SetSharedData(string, []byte, uint32) abi.Status      { return abi.NotFound }
func (nobody) DefineMetric(abi.Metric, string) (uint32, abi.Status) { return 0, abi.NotFound }
func (nobody) Metric(uint32) (uint64, abi.Status)                   { return 0, abi.NotFound }
func (nobody) Call(string, []byte, []byte, []byte, uint32) (uint32, abi.Status) {
	return 0, abi.NotFound
}
