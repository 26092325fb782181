package customs

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"greenlane"
)

// The codes of WCO responses in the DMS profile. What a function or status code
// means is from HM Revenue & Customs, customs declarations end-to-end service
// guide, notification types and definitions; DMSDET, which the guide leaves
// out, and the decisions 39 and 41 are from HMRC's own open-source services,
// customs-declare-exports and customs-declarations-stub. Which status, hold or
// release follows is our reading.

// wcoNames are the functions of a response. DMSEXT is 17 and DMSGER 18, although
// a published sample of DMSGER is named after the 17.
var wcoNames = map[string]string{
	"01": "DMSACC", "02": "DMSRCV", "03": "DMSREJ", "05": "DMSCTL", "06": "DMSDOC", "07": "DMSRES",
	"08": "DMSROG", "09": "DMSCLE", "10": "DMSINV", "11": "DMSREQ", "13": "DMSTAX", "14": "DMSCPI",
	"15": "DMSCPR", "16": "DMSEOG", "17": "DMSEXT", "18": "DMSGER", "50": "DMSALV", "51": "DMSQRY",
	"52": "DMSDET",
}

// wcoKey is a function code with the status name or statement type that refines
// it; without one the entry holds for every other.
type wcoKey struct{ function, sub string }

var wcoEffects = map[wcoKey]greenlane.Effect{
	{"01", ""}: {Status: greenlane.StatusAcknowledged},
	{"02", ""}: {Status: greenlane.StatusRegistered},
	// Refined by its errors, see rejection.
	{"03", ""}: {Rejection: true},
	{"05", ""}: {Hold: greenlane.HoldControl, Status: greenlane.StatusControl},
	{"06", ""}: {Hold: greenlane.HoldDocuments, Status: greenlane.StatusControl},
	{"07", ""}: {},
	{"08", ""}: {Release: true, Status: greenlane.StatusReleased},
	{"09", ""}: {Release: true, Status: greenlane.StatusReleased},
	// Whether it becomes canceled or invalid depends on who asked for it.
	{"10", ""}:   {Invalidation: true},
	{"11", "39"}: {Granted: true},
	{"11", "41"}: {Denied: true},
	// 67 came first in every flow seen, 115 with DMSROG, 4 with or after DMSCLE:
	// an estimate, a provisional debt, the debt that falls due.
	{"13", "4"}:   {FinalTax: true},
	{"13", "67"}:  {},
	{"13", "115"}: {},
	// The balance or payment must be settled before the goods are released.
	{"14", ""}: {Hold: greenlane.HoldPayment},
	{"15", ""}: {Hold: greenlane.HoldPayment},
	{"16", ""}: {Exit: true},
	{"17", ""}: {Hold: greenlane.HoldManual, Status: greenlane.StatusControl},
	{"18", ""}: {},
	// A decision of Defra delays clearance inside the same customs system.
	{"50", ""}: {Hold: greenlane.HoldDecision, Status: greenlane.StatusControl},
	{"51", ""}: {Hold: greenlane.HoldQuery, Status: greenlane.StatusControl},
	// Detained with the statement type DET, no longer detained without it.
	{"52", "DET"}: {Hold: greenlane.HoldDetention, Status: greenlane.StatusControl},
	{"52", ""}:    {Lifts: greenlane.HoldDetention},
}

// wcoExitOffice is the statement type whose description is the office of exit.
const wcoExitOffice = "CEX"

// wcoNoArrival is the error that ends a pre-lodged declaration whose goods did
// not arrive in time. HMRC's exports service takes it as an expiry.
const wcoNoArrival = "CDS12046"

// wcoSequenceErrors refuse a message for coming out of its turn.
var wcoSequenceErrors = map[string]bool{"CDS12014": true, "CDS12015": true, "CDS12031": true, "CDS12036": true}

// wcoSections are the class ids by which pointers name the sections of a
// declaration or response (WCO Data Model 3.6, class ids; DMS profile, schemas
// WCO_DEC_2_DMS and WCO_RES_2_DMS).
var wcoSections = map[string]string{
	"02A": "AdditionalDocument", "03A": "AdditionalInformation", "04A": "Address", "05A": "Agent",
	"06A": "Amendment", "07B": "Response", "09B": "Seller", "10A": "ArrivalTransportMeans",
	"12A": "Authenticator", "12C": "DangerousGoods", "14C": "GuaranteeOffice", "15A": "BorderTransportMeans",
	"15C": "PresentationOffice", "16A": "Buyer", "16C": "AEOMutualRecognitionParty", "17B": "Submitter",
	"17C": "AuthorisationHolder", "18A": "Carrier", "19B": "Surety", "21A": "Classification",
	"22B": "TradeTerms", "22C": "WriteOff", "23A": "Commodity", "25A": "Communication", "27A": "Consignee",
	"28A": "Consignment", "29A": "ConsignmentItem", "30A": "Consignor", "31B": "TransportEquipment",
	"34A": "Contact", "35B": "UCR", "39B": "ValuationAdjustment", "40A": "CurrencyExchange",
	"41A": "CustomsValuation", "42A": "Declaration", "43B": "Warehouse", "44B": "Seal",
	"46A": "DepartureTransportMeans", "50A": "DutyTaxFee", "53A": "Error", "55B": "DomesticDutyTaxParty",
	"56A": "ExitOffice", "56B": "Payer", "57A": "Exporter", "57B": "Declarant", "58B": "ChargeDeduction",
	"61B": "Authentication", "62A": "Freight", "64A": "GoodsLocation", "65A": "GoodsMeasure",
	"67A": wcoShipment, "68A": "GovernmentAgencyGoodsItem", "70A": "GovernmentProcedure", "74A": "Importer",
	"78A": "Invoice", "79A": "InvoiceLine", "81A": "Itinerary", "83A": "LoadingLocation",
	"90A": "ObligationGuarantee", "92A": "Origin", "93A": "Packaging", "94A": "Payment",
	"95B": "ExportCountry", "97A": "Pointer", "97B": "SupervisingOffice", "99A": "PreviousDocument",
	"99B": "Destination",
}

// wcoShipment is the section of which a declaration has one only, whatever
// number a pointer gives it.
const wcoShipment = "GoodsShipment"

// wcoTags are the attribute ids by which pointers name an element inside a
// section (WCO Data Model 3.6, attribute ids; names as in the DMS profile).
// An id stands for one data element of the model, in whatever section.
var wcoTags = map[string]string{
	"006": "SequenceNumeric", "013": "LoadingListQuantity", "017": "FunctionCode", "023": "AcceptanceDateTime",
	"062": "ID", "065": "DeclarationOfficeID", "096": "ContainerCode", "098": "PaymentMethodCode",
	"099": "ChangeReasonCode", "102": "FunctionCode", "103": "TransactionNatureCode", "109": "InvoiceAmount",
	"112": "ItemChargeAmount", "114": "StatisticalValueAmount", "117": "FreightChargeAmount",
	"118": "RateNumeric", "126": "GrossMassMeasure", "128": "NetNetWeightMeasure", "130": "TariffQuantity",
	"131": "TotalGrossMassMeasure", "137": "Description", "141": "TypeCode", "142": "MarksNumbersID",
	"144": "QuantityQuantity", "145": "ID", "146": "TotalPackageQuantity", "159": "ID", "161": "PreviousCode",
	"165": "ID", "166": "CurrentCode", "171": "LineNumeric", "181": "OtherChargeDeductionAmount",
	"225": "StatementDescription", "226": "StatementCode", "228": "GoodsItemQuantity", "239": "Line",
	"240": "ID", "241": "CityName", "242": "CountryCode", "243": "CountrySubDivisionName",
	"244": "CountrySubDivisionCode", "245": "PostcodeID", "246": "Name", "253": "TypeCode",
	"264": "LimitDateTime", "276": "EffectiveDateTime", "337": "IdentificationTypeCode",
	"360": "LPCOExemptionCode", "369": "StatementTypeCode", "371": "ChargesTypeCode",
	"375": "DocumentSectionCode", "381": "TagID", "410": "TypeCode", "465": "CountryCode",
	"477": "RegionID", "504": "SpecificCircumstancesCodeCode", "506": "UNDGID",
	"D005": "ID", "D006": "TypeCode", "D011": "IssueDateTime", "D012": "IssueLocationID", "D013": "TypeCode",
	"D014": "ID", "D018": "ID", "D019": "TypeCode", "D026": "FunctionalReferenceID", "D028": "Name",
	"D029": "IssueDateTime", "D031": "CategoryCode",
	"G005": "ID", "G012": "ID",
	"L010": "ID", "L016": "Name", "L017": "ID", "L019": "ID", "L110": "TypeCode", "L112": "TypeCode",
	"R004": "ID", "R005": "RoleCode", "R011": "Name", "R012": "ID", "R014": "Name", "R020": "Name",
	"R021": "ID", "R031": "Name", "R032": "ID", "R038": "ID", "R058": "Name", "R119": "ID", "R123": "ID",
	"R143": "ID", "R144": "ID", "R145": "CategoryCode",
	"T001": "Name", "T002": "ID", "T003": "Name", "T004": "ID", "T006": "ID", "T008": "TypeCode",
	"T014": "RegistrationNationalityCode", "T018": "IdentificationTypeCode", "T020": "ModeCode",
	"T021": "ModeCode", "T022": "ModeCode", "T029": "IdentificationTypeCode", "T034": "IdentificationTypeCode",
}

// wcoGists say in our words what a validation code means, for messages without
// a description (codes: HMRC, CDS error codes).
var wcoGists = map[string]string{
	"CDS10001": "a mandatory element is missing",
	"CDS10002": "this element is not allowed here",
	"CDS10003": "this element occurs too often",
	"CDS10004": "the commodity code is missing, malformed or repeated",
	"CDS10010": "the format is wrong",
	"CDS10020": "the value is not valid",
	"CDS10021": "the value must be positive",
	"CDS10045": "the calculated customs value of the item is negative",
	"CDS11003": "the stated number of items differs from the items declared",
	"CDS11004": "declaration type and procedure codes do not go together",
	"CDS11005": "the items' procedures belong to different kinds of declaration, or the acceptance date is wrong",
	"CDS11006": "the net mass must be below the gross mass",
	"CDS11007": "the sender is not the one of the original declaration",
	"CDS11012": "this element can't be amended on this type of declaration",
	"CDS12003": "the LRN was already used within 48 hours",
	"CDS12005": "the party's identifier is not valid",
	"CDS12006": "the licence is unknown, expired, used up, or not for this party, these goods or this country",
	"CDS12007": "the authorisation has expired or is unknown",
	"CDS12013": "the VAT number is not valid",
	"CDS12014": "goods can be reported as arrived only after a pre-lodged declaration",
	"CDS12015": "the declaration referred to is unknown or its state does not allow the request",
	"CDS12016": "the acceptance date is in the future or more than 180 days ago",
	"CDS12022": "the item number is above the number of items",
	"CDS12024": "the value must be unique",
	"CDS12026": "one request amends the same element twice",
	"CDS12031": "the goods were reported as arrived after more than 30 days",
	"CDS12034": "the amendment came another way than the declaration",
	"CDS12036": "the answer to the previous request is still awaited",
	"CDS12042": "these elements must be equal within one item",
	"CDS12044": "the MUCR is already shut",
	"CDS12046": "the goods did not arrive within 30 days of the pre-lodged declaration",
	"CDS12050": "the requested procedure is not valid, or the acceptance date is not; nothing more was checked",
	"CDS12052": "the declaration type is not valid, or the acceptance date is not; nothing more was checked",
	"CDS12056": "this combination of elements is not allowed",
	"CDS12057": "all items must have the same invoice currency",
	"CDS12058": "at least one number of packages must be above zero",
	"CDS12062": "the DUCR was used within the last 12 months",
	"CDS12070": "a value given elsewhere makes this element mandatory",
	"CDS12071": "given for the whole declaration and for an item; only one is allowed",
	"CDS12072": "exactly one of two elements must be given",
	"CDS12073": "must be given for the whole declaration or for each item",
	"CDS12074": "mandatory because another element is absent",
	"CDS12075": "not allowed with the value of another element",
	"CDS12077": "a valid value is needed because another element is present",
	"CDS12078": "without a deferment account an immediate method of payment is needed",
	"CDS12079": "not allowed together with another element",
	"CDS12099": "the parts of the goods location do not go together",
	"CDS12108": "an export declaration needs a DUCR",
	"CDS12119": "the document is not allowed with this procedure",
	"CDS12120": "the authorisation for this type of declaration is missing",
	"CDS12123": "the value must be above zero",
	"CDS12125": "the deferment account is unknown, suspended or not for these parties",
	"CDS12132": "the DUCR is malformed",
	"CDS12133": "the MUCR is malformed",
	"CDS12134": "DUCR and MUCR are malformed",
	"CDS12150": "the authorisation is not of this party",
	"CDS13000": "the value is not credible",
	"CDS19999": "there are more errors than are listed",
	"CDS20001": "the related movement is not found yet",
	"CDS20002": "the related movement does not match the declaration",
	"CDS20003": "the related movement is not found",
	"CDS40007": "the value is repeated",
	"CDS40010": "the value does not apply",
	"CDS40011": "the tariff needs a value here",
	"CDS40013": "the tariff does not allow this value",
	"CDS40044": "the document is not used",
	"CDS40045": "the tariff needs a document",
	"CDS40047": "the tariff prohibits this movement",
	"CDS40049": "the quota is exhausted",
	"CDS40053": "the quota is suspended",
	"CDS40059": "the measure or commodity code is incomplete",
	"CDS40066": "a condition of the tariff is not met",
	"CDS40068": "the additional code for excise is missing",
	"CDS40069": "the quota is closed",
	"CDS49999": "unknown error",
	"CDS50000": "the answer of the licensing authority is not a release",
}

func wcoMappings() []Mapping {
	const source = "HM Revenue & Customs, customs declarations end-to-end service guide and open-source services; " +
		"the status, hold or release that follows is our reading."
	const model = "WCO Data Model 3.6, as the schemas of the DMS profile use it."
	table := func(title, source string, columns []string, names map[string]string) Mapping {
		return namesMapping(greenlane.FormatWCODMS, title, source, columns, names)
	}
	gists := maps.Clone(wcoGists)
	for code := range wcoSequenceErrors {
		gists[code] += " (out of its turn: the declaration stands)"
	}
	gists[wcoNoArrival] += " (alone it ends the declaration)"
	return []Mapping{
		wcoFunctions(source),
		table("Validation codes", "HM Revenue & Customs, CDS error codes, in our words.", []string{"Code", "Meaning"}, gists),
		table("Sections that pointers name", model, []string{"Class", "Section"}, wcoSections),
		table("Elements that pointers name", model, []string{"Tag", "Element"}, wcoTags),
	}
}

// wcoFunctions are the functions with the codes that refine them.
func wcoFunctions(source string) Mapping {
	m := Mapping{
		Format: greenlane.FormatWCODMS, Title: "Functions of a response", Source: source,
		Columns: []string{"Function", "Name", "Status name or statement type", "What it does"},
	}
	byCode := func(a, b wcoKey) int {
		return cmp.Or(strings.Compare(a.function, b.function), cmp.Compare(len(a.sub), len(b.sub)), strings.Compare(a.sub, b.sub))
	}
	for _, key := range slices.SortedFunc(maps.Keys(wcoEffects), byCode) {
		does := effectWords(wcoEffects[key])
		if wcoEffects[key].Rejection {
			does += "; without an error, or with " + wcoNoArrival + " alone, canceled; out of its turn, the declaration stands"
		}
		m.Rows = append(m.Rows, []string{key.function, wcoNames[key.function], cmp.Or(key.sub, "any other"), does})
	}
	return m
}
