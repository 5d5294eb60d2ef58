package wasm

// Kind is a kind of import or export.
type Kind byte

// The kinds, as the binary format numbers them.
const (
	Func Kind = iota
	Table
	Memory
	Global
	Tag
)

// String returns the word of the text format.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

var kinds = [...]string{"func", "table", "memory", "global", "tag"}

// ValueType is a type of values, as the binary format numbers it.
type ValueType byte

// The value types of core 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the word of the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "unknown"
}

// FuncType is the type of a function.
type FuncType struct{ Params, Results []ValueType }

// Import is something that a module wants of its host.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType // of a function
}

// Export is something that a module offers.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
	Type  FuncType // of a function
}

// Limits are the bounds of a memory, in pages of 64 KiB, or of a table, in entries.
type Limits struct {
	Min, Max uint64
	HasMax   bool
}

// Module is what Parse finds out.
type Module struct {
	Imports   []Import
	Exports   []Export
	Memory    *Limits  // the module's own or imported one; nil: it has none
	Tables    []Limits // imported ones first
	Start     *uint32  // the function that instantiation calls; nil: none
	Functions int      // defined in the module
	Size      int      // bytes
	Name      string   // as its name section says
	Producers []Producer
	Features  []string // that its target_features section says it uses
	Custom    []string // names of all custom sections
	GoBuild   bool     // it has the section that the Go linker leaves
}

// Export returns the export called name, or nil.
func (m *Module) Export(name string) *Export {
	for i := range m.Exports {
		if m.Exports[i].Name == name {
			return &m.Exports[i]
		}
	}
	return nil
}

// HasFunc tells whether the module exports a function called name.
func (m *Module) HasFunc(name string) bool {
	e := m.Export(name)
	return e != nil && e.Kind == Func
}

// Needs tells whether anything is imported from the module called name.
func (m *Module) Needs(name string) bool {
	for i := range m.Imports {
		if m.Imports[i].Module == name {
			return true
		}
	}
	return false
}
