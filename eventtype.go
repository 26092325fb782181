package greenlane

import "time"

// exampleTime is the moment the examples speak of.
func exampleTime(hour int) time.Time {
	return time.Date(2026, 6, 23, hour, 0, 0, 0, time.UTC)
}

// eventTypes is every type of event, in the order of the documentation: the
// seeds' own first, then what the hub adds.
var eventTypes = []EventTypeInfo{
	describe(EventExportPlanned, KindExport, SeedEntryGo,
		"A structured export plan was made from a merchant's or warehouse's signals.",
		ExportPlanned{Data: ExportPlannedData{
			Orders: []string{"ord_1001", "ord_1002"}, DestinationCountry: "US", ReadinessState: ReadinessReady,
		}}),
	describe(EventExportBatchCreated, KindExport, SeedEntryGo,
		"Planned export work was grouped into a batch.",
		ExportBatchCreated{Data: ExportBatchCreatedData{
			BatchID: "bat_01HXYZ789", Orders: []string{"ord_1001", "ord_1002"},
			PlanHash: "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
		}}),
	describe(EventArtifactGenerated, KindExport, SeedEntryGo,
		"A customs document of an export was generated; one event for each.",
		ArtifactGenerated{Data: ArtifactGeneratedData{
			BatchID: "bat_01HXYZ789", CustomsPackageID: "cp_01HXYZ456", ArtifactType: "cci_human_readable",
			Filename: "commercial_customs_invoice.html",
			SHA256:   "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
		}}),
	describe(EventBrokerNotified, KindExport, SeedEntryGo,
		"The broker was sent the customs package.",
		BrokerNotified{Data: BrokerNotifiedData{
			BatchID: "bat_01HXYZ789", BrokerID: "br_123", SubmissionID: "sub_123", BrokerNotificationState: "sent",
		}}),
	describe(EventWarehouseNotified, KindExport, SeedEntryGo,
		"The warehouse was sent its instructions.",
		WarehouseNotified{Data: WarehouseNotifiedData{
			BatchID: "bat_01HXYZ789", WarehouseID: "wh_123", WarehouseNotificationState: "sent",
		}}),
	describe(EventExportExecuted, KindExport, SeedEntryGo,
		"The export workflow was executed and its state has advanced.",
		ExportExecuted{Data: ExportExecutedData{
			BatchID: "bat_01HXYZ789", BrokerNotificationState: "sent", WarehouseNotificationState: "sent",
			Artifacts: []string{"commercial_invoice", "packing_list"},
		}}),

	describe(EventEntryStatus, KindEntry, SeedOpenTrack,
		"CBP recorded new activities for an entry or its bill: filings, holds, releases.",
		EntryStatusUpdated{Data: EntryStatusData{
			Shipment: EntryShipment{
				Number: "MEDU1234567", MasterBillNumber: "MEDU1234567", BookingNumber: "BK12345",
				ReferenceNumbers: []string{"PO-12345"},
			},
			Account: EntryAccount{Domain: "example.com", Region: "US"},
			Activities: []EntryActivity{{
				Date: Millis{exampleTime(0)}, Message: "CBP hold, port of discharge", IsHold: true, Code: "1H",
			}},
		}}),

	describe(EventDeclarationCreated, KindDeclaration, SeedEaze,
		"A declaration was created.",
		DeclarationCreated{Data: DeclarationCreatedData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", CommercialReference: "UCR-88776655", StatusCode: StatusNew,
			CreatedAt: Millis{exampleTime(12)},
		}}),
	describe(EventDeclarationStatus, KindDeclaration, SeedEaze,
		"The customs status of a declaration changed.",
		DeclarationStatusUpdated{Data: DeclarationStatusData{
			DeclarationID: 1024, Status: StatusAcknowledged, Timestamp: Millis{exampleTime(13)},
		}}),
	describe(EventDeclarationCompleted, KindDeclaration, SeedEaze,
		"The customs process of a declaration is complete.",
		DeclarationCompleted{Data: DeclarationCompletedData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", StatusCode: StatusCompleted,
			CustomsClearedAt: Millis{exampleTime(14)}, CompletedAt: Millis{exampleTime(15)},
		}}),
	describe(EventDeclarationInvalidated, KindDeclaration, SeedEaze,
		"Customs invalidated a declaration.",
		DeclarationInvalidated{Data: DeclarationInvalidatedData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", StatusCode: StatusInvalid,
			InvalidatedAt: Millis{exampleTime(14)}, Reason: "No goods presented within the period allowed",
		}}),
	describe(EventDeclarationError, KindDeclaration, SeedEaze,
		"A declaration failed validation or customs reported an error.",
		DeclarationFailed{Data: DeclarationErrorData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", ErrorType: ErrorCustomsErr,
			ErrorMessage: "CDS12005: party identifier invalid (at Declaration/AuthorisationHolder/ID)",
			Timestamp:    Millis{exampleTime(13)},
		}}),
	describe(EventShipmentCreated, KindShipment, SeedEaze,
		"A shipment was created.",
		ShipmentCreated{Data: ShipmentCreatedData{
			ShipmentID: 15, ShipmentNo: "180-43189021", ShipmentType: ShipmentImport, Status: ShipmentNew,
			CreatedAt: Millis{exampleTime(11)},
		}}),
	describe(EventShipmentUpdated, KindShipment, SeedEaze,
		"A shipment's weight, price or status changed.",
		ShipmentUpdated{Data: ShipmentUpdatedData{
			ShipmentID: 15, ShipmentNo: "180-43189021", ShipmentType: ShipmentImport, Status: ShipmentInProgress,
			TotalWeight: "1250.5", TotalPrice: "48000.00", UpdatedAt: Millis{exampleTime(13)},
		}}),

	describe(EventExportFailed, KindExport, SeedNone,
		"The execution of an export stopped; it goes on when somebody asks for it.",
		ExportFailed{Data: ExportFailedData{
			ExportID: "exp_01HXYZ123", BatchID: "bat_01HXYZ789", Step: StepBroker, Error: "mail.example.com refused the recipient: 550 no such user",
		}}),
	describe(EventExportRetried, KindExport, SeedNone,
		"A failed execution goes on at somebody's request.",
		ExportChanged{Data: ExportChangedData{ExportID: "exp_01HXYZ123", BatchID: "bat_01HXYZ789", Reason: "address corrected", By: "admin"}}),
	describe(EventExportCanceled, KindExport, SeedNone,
		"An export was canceled before anything left the house.",
		ExportChanged{Data: ExportChangedData{ExportID: "exp_01HXYZ123", BatchID: "bat_01HXYZ789", Reason: "sold elsewhere", By: "admin"}}),
	describeNotification(EventNotificationAttempted, "Broker or warehouse are about to be told of an export.", NotificationData{}),
	describeNotification(EventNotificationSent, "Broker or warehouse took what they were told of an export.", NotificationData{}),
	describeNotification(EventNotificationFailed, "Broker or warehouse could not be told of an export; without retryAt for good.", NotificationData{
		Error: "mail.example.com can't be reached: connection refused", RetryAt: Millis{exampleTime(10)},
	}),
	describe(EventOrderSynced, KindOrder, SeedNone,
		"An order was told for the first time, or otherwise than before.",
		OrderSyncedBody{Data: OrderSyncedData{
			OrderID: "ord_01K7XJ0000000000000000000A", ExternalID: "SHOP-1001", TotalValueUSD: "91.00",
			OrderContent: OrderContent{DestinationCountry: "US", Lines: []OrderLine{{ProductID: "prod_hoodie_001", Quantity: "2", UnitValueUSD: "45.50"}}},
		}}),
	describe(EventOrderStatus, KindOrder, SeedNone,
		"An export took an order, shipped it, or let it go.",
		OrderStatusChanged{Data: OrderStatusData{
			OrderID: "ord_01K7XJ0000000000000000000A", ExternalID: "SHOP-1001", From: OrderSynced, To: OrderExporting, ExportID: "exp_01HXYZ123",
		}}),
	describe(EventProductSaved, KindProduct, SeedNone,
		"A product was told for the first time, or otherwise than before.",
		ProductSaved{Data: Product{ID: "prod_hoodie_001", Name: "Cotton hooded sweatshirt, knitted", HSCode: "6110.20.20",
			OriginCountry: "PT", UnitValueUSD: "45", NetWeightKg: "0.6"}}),
	describe(EventWarehouseSaved, KindWarehouse, SeedNone,
		"A warehouse was told for the first time, or otherwise than before.",
		WarehouseSaved{Data: Warehouse{ID: "wh_123", Name: "North dock", Email: "dock@example.com",
			Address: Address{Street: "Piotrkowska 1", City: "Łódź", PostalCode: "90-001", Country: "PL"}}}),
	describe(EventBrokerSaved, KindBroker, SeedNone,
		"A customs broker was told for the first time, or otherwise than before.",
		BrokerSaved{Data: Broker{ID: "br_123", Name: "Harbor Brokers", Email: "entry@example.com", FilerCode: "ABC",
			Address: Address{City: "Long Beach", Country: "US"}}}),
	describe(EventClearanceChanged, KindEntry, SeedNone,
		"The clearance of an entry or a declaration really changed, with every hold that is open now.",
		ClearanceChanged{Data: ClearanceChangedData{
			Subject: Subject{KindEntry, 16}.Wire(), From: ClearanceHeld, To: ClearanceCleared,
			OpenHolds: []HoldSummary{}, Since: Millis{exampleTime(16)}, Reason: "released, and no hold is open",
		}}),
	describe(EventShipmentClearance, KindShipment, SeedNone,
		"The clearance of a shipment, over all its entries and declarations, really changed.",
		ClearanceChanged{Data: ClearanceChangedData{
			Subject: Subject{KindShipment, 15}.Wire(), From: ClearancePending, To: ClearanceHeld,
			OpenHolds: []HoldSummary{{
				HoldID: "1H-1", Kind: "1H", Code: "1H", Authority: "CBP", Scope: ScopeBill,
				Reason: "CBP hold, port of discharge", PlacedAt: Millis{exampleTime(9)}, EndedBy: "code 1I",
			}},
			Since: Millis{exampleTime(9)}, Reason: "held by 1H CBP hold, port of discharge",
		}}),
	describe(EventEntryIdentified, KindEntry, SeedNone,
		"CBP named the entry, its shipments or its bills, without anything new of its clearance.",
		EntryIdentified{Data: EntryIdentifiedData{
			EntryID: 16, EntryNumber: "ABC12345676", ShipmentIDs: []int64{15},
			Bills: []Bill{{Master: "MEDU1234567", Quantity: "60", Manifested: "100", At: exampleTime(9)}}, InBonds: []string{},
		}}),
	describe(EventEntryShared, KindEntry, SeedNone,
		"What CBP said of a bill without naming an entry was recorded at another entry of that bill.",
		EntryShared{Data: EntrySharedData{
			EntryID: 17, From: Subject{KindEntry, 16}.Wire(), Activities: []EntryActivity{{
				Date: Millis{exampleTime(0)}, Message: "CBP hold, port of discharge", IsHold: true, Code: "1H",
			}},
		}}),
	describe(EventEntryContinued, KindEntry, SeedNone,
		"What was recorded of a bill before its entry was known goes on at that entry.",
		EntryContinued{Data: EntryContinuedData{
			EntryID: 16, ContinuedBy: Subject{KindEntry, 17}.Wire(), EntryNumber: "ABC12345676",
		}}),
	describe(EventEntryRetracted, KindEntry, SeedNone,
		"A message that was read again turned out not to say what was recorded from it.",
		EntryRetracted{Data: EntryRetractedData{
			EntryID: 16, MessageID: "msg_01K7XJ0000000000000000000A", Activities: []EntryActivity{{
				Date: Millis{exampleTime(0)}, Message: "CBP hold, port of discharge", IsHold: true, Code: "1H",
			}},
		}}),
	describe(EventEntryHoldClosed, KindEntry, SeedNone,
		"An operator closed a hold of an entry with a reason.",
		EntryHoldClosed{Data: HoldClosedData{
			EntryID: 16, HoldID: "1H-1", Code: "1H", Reason: "released by phone, case 4711", By: "compliance desk",
		}}),
	describe(EventHistoryRevised, KindDeclaration, SeedNone,
		"A value that was already published changed because a late fact became known.",
		HistoryRevised{Data: HistoryRevisedData{
			Subject: Subject{KindDeclaration, 1024}.Wire(), Field: "customsClearedAt",
			To: pointer(FormatMillis(exampleTime(14))), Cause: "DMSCLE 5f0d1c2b3a49",
		}}),
	describe(EventDeclarationUpdated, KindDeclaration, SeedNone,
		"What is declared was changed.",
		DeclarationUpdated{Data: DeclarationUpdatedData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", UpdatedAt: Millis{exampleTime(12)},
		}}),
	describe(EventCustomsResponse, KindDeclaration, SeedNone,
		"An authority's response about a declaration was recorded, whether or not it changed the status.",
		CustomsResponse{Data: CustomsResponseData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", Format: FormatWCODMS,
			MessageType: "DMSACC", FunctionCode: "01", Authority: "HMRC", IssuedAt: Millis{exampleTime(13)},
			MessageID: "msg_01K7XJ0000000000000000000A",
		}}),
	describe(EventDeclarationMerged, KindDeclaration, SeedNone,
		"Customs' messages that were recorded at another declaration turned out to belong to this one.",
		DeclarationMerged{Data: DeclarationMergedData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", From: Subject{KindDeclaration, 1025}.Wire(),
			Responses: []string{"5f0d1c2b3a49"},
		}}),
	describe(EventDeclarationContinued, KindDeclaration, SeedNone,
		"A declaration turned out to be another one, which goes on for both.",
		DeclarationContinued{Data: DeclarationContinuedData{
			DeclarationID: 1025, LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", ContinuedBy: Subject{KindDeclaration, 1024}.Wire(),
		}}),
	describe(EventDeclarationHoldClosed, KindDeclaration, SeedNone,
		"An operator closed a hold of a declaration with a reason.",
		DeclarationHoldClosed{Data: DeclarationHoldClosedData{
			DeclarationID: 1024, HoldID: "detention-3", Kind: HoldDetention, Reason: "released by phone, case 4711", By: "compliance desk",
		}}),
	describe(EventOutboundMessage, KindDeclaration, SeedNone,
		"A message for customs was handed to the account's gateway.",
		OutboundMessage{Data: OutboundData{
			DeclarationID: 1024, LRN: "LRN-IMPORT-9988A", OutboundID: "out_01K7XJ0000000000000000000A",
			Purpose: OutboundDeclaration, CreatedAt: Millis{exampleTime(12)},
		}}),
	describe(EventOutboundAcknowledged, KindDeclaration, SeedNone,
		"The filing system took an outbound message.",
		OutboundAcknowledged{Data: OutboundAcknowledgedData{
			DeclarationID: 1024, OutboundID: "out_01K7XJ0000000000000000000A", AcknowledgedAt: Millis{exampleTime(12)},
		}}),
	describe(EventShipmentReferences, KindShipment, SeedNone,
		"A shipment became known by further identifiers.",
		ShipmentReferencesAdded{Data: ShipmentReferencesData{
			ShipmentID: 15, ShipmentNo: "MEDU1234567", MasterBillNumber: "MEDU1234567", BookingNumber: "BK12345",
			SCACCode: "MEDU", Containers: []string{"CSQU3054383"}, ReferenceNumbers: []string{"PO-12345"},
		}}),
	describe(EventContainerStatus, KindContainer, SeedNone,
		"A terminal reported news of a container.",
		ContainerStatusUpdated{Data: ContainerStatusData{
			ContainerID: "CSQU3054383", Status: "AVAILABLE", PreviousStatus: "DISCHARGED",
			AvailableAt: Millis{exampleTime(6)}, LastFreeDay: "2026-06-27", Terminal: "Pier 400",
			Holds: []ContainerHold{}, UpdatedAt: Millis{exampleTime(6)},
		}}),
	describe(EventConsignmentMerged, KindConsignment, SeedNone,
		"Two consignments turned out to be one; the older survives.",
		ConsignmentMerged{Data: ConsignmentMergedData{
			From: Subject{KindConsignment, 31}.Wire(), Into: Subject{KindConsignment, 15}.Wire(),
			Reference: Ref(RefMasterBill, "MEDU1234567").Wire(),
		}}),
	describe(EventConsignmentRefused, KindConsignment, SeedNone,
		"Two consignments share a reference and stay apart, because together they would be too large.",
		ConsignmentMerged{Data: ConsignmentMergedData{
			From: Subject{KindConsignment, 31}.Wire(), Into: Subject{KindConsignment, 15}.Wire(),
			Reference: Ref(RefUCR, "GENERAL").Wire(),
		}}),
	describe(EventMessageUnmatched, KindAccount, SeedNone,
		"A customs message speaks of a subject the hub does not know; it is kept until the subject appears.",
		MessageParked{Data: UnmatchedData{
			MessageID: "msg_01K7XJ0000000000000000000A", Format: FormatWCODMS, MessageType: "DMSACC",
			LRN: "LRN-IMPORT-9988A", MRN: "26NL00085012345678", BillNumbers: []string{},
		}}),
	describe(EventReactionFailed, KindAccount, SeedNone,
		"One of the hub's own reactions failed repeatedly on an event and was given up for it.",
		ReactionFailed{Data: ReactionFailedData{
			Reaction: "simulator", Position: 4711, EventID: "evt_01K7XJ0000000000000000000A",
			Error: "the event could not be handled for a reason of ours",
		}}),

	describeEndpoint(EventEndpointCreated, "An endpoint was created.", ""),
	describeEndpoint(EventEndpointUpdated, "An endpoint's settings were changed.", ""),
	describeEndpoint(EventEndpointDeleted, "An endpoint was deleted.", ""),
	describeEndpoint(EventEndpointEnabled, "An endpoint was enabled.", ""),
	describeEndpoint(EventEndpointDisabled, "An endpoint was disabled.", "the receiver answered 410 Gone"),
	describeBreaker(EventBreakerOpened, "An endpoint failed so often that only probes are sent until one succeeds.",
		"10 failures in a row, the last: answered 503 Service Unavailable", 10, 0),
	describeBreaker(EventBreakerClosed, "An endpoint that had failed acknowledged an event; deliveries go on.",
		"the receiver acknowledged an event", 14, 5),
	describeEndpoint(EventSecretRotated, "An endpoint was given a new secret; the old one signs too for 24 hours.", ""),
	describeReplay(EventReplayStarted, "A range of the log is being sent to an endpoint again.", 4710, 0),
	describeReplay(EventReplayPaused, "A replay was stopped until it is resumed.", 5000, 210),
	describeReplay(EventReplayResumed, "A replay goes on.", 5000, 210),
	describeReplay(EventReplayCanceled, "A replay was ended before it was through.", 5000, 210),
	describeReplay(EventReplayCompleted, "A replay is through: everything in it was acknowledged or given up.", 9000, 1322),
	describeLane(EventLaneParked, "A delivery used up its schedule; its lane waits for a person."),
	describeLane(EventLaneResumed, "A delivery is tried again at somebody's request."),
	describeLane(EventLaneSkipped, "A delivery was given up; its lane goes on."),
	describeLane(EventLaneDiscarded, "All that waited in a lane was given up, up to a position."),

	describeAccount(EventAccountCreated, "An account was created."),
	describeAccount(EventAccountUpdated, "An account's settings were changed."),
	describeKey(EventKeyCreated, "An API key was created."),
	describeKey(EventKeyRevoked, "An API key was revoked."),
}

func pointer[T any](v T) *T { return &v }

func describeEndpoint(t EventType, summary string, reason Text) EventTypeInfo {
	return describe(t, KindEndpoint, SeedNone, summary, EndpointChanged{Data: EndpointData{
		EndpointID: "wh_01K7XJ0000000000000000000A", Name: "warehouse", URL: "https://example.com/hooks",
		Format: "auto", Reason: reason, By: "admin",
	}})
}

func describeBreaker(t EventType, summary string, reason Text, failures, probes int) EventTypeInfo {
	return describe(t, KindEndpoint, SeedNone, summary, BreakerChanged{Data: BreakerData{
		EndpointID: "wh_01K7XJ0000000000000000000A", Name: "warehouse", URL: "https://example.com/hooks", Reason: reason,
		Failures: failures, FailingSince: Millis{exampleTime(9)}, OpenedAt: Millis{exampleTime(10)}, Probes: probes,
	}})
}

func describeReplay(t EventType, summary string, passed, delivered int64) EventTypeInfo {
	return describe(t, KindEndpoint, SeedNone, summary, ReplayChanged{Data: ReplayData{
		EndpointID: "wh_01K7XJ0000000000000000000A", Name: "warehouse", URL: "https://example.com/hooks", Replay: 2,
		From: 4711, To: 9000, Passed: passed, Delivered: delivered, Reason: "the receiver lost a day", By: "admin",
	}})
}

func describeNotification(t EventType, summary string, data NotificationData) EventTypeInfo {
	data.NotificationID, data.ExportID, data.BatchID = "sub_01K7XJ0000000000000000000A", "exp_01HXYZ123", "bat_01HXYZ789"
	data.Role, data.Channel, data.Recipient = RoleBroker, ChannelEmail, "entry@example.com"
	data.MessageID, data.Attempt = "exp_01HXYZ123.broker@example.com", 1
	return describe(t, KindNotification, SeedNone, summary, NotificationChanged{Data: data})
}

func describeLane(t EventType, summary string) EventTypeInfo {
	return describe(t, KindEndpoint, SeedNone, summary, LaneChanged{Data: LaneData{
		EndpointID: "wh_01K7XJ0000000000000000000A", Lane: "entry/16", DeliveryID: "dlv_01K7XJ0000000000000000000A",
		EventID: "evt_01K7XJ0000000000000000000A", Position: 4711, Generation: 1, Attempts: 10,
		Reason: "the schedule of 10 attempts is used up",
	}})
}

func describeAccount(t EventType, summary string) EventTypeInfo {
	return describe(t, KindAccount, SeedNone, summary, AccountChanged{Data: AccountData{
		Domain: "example.com", Region: "US", Gateway: GatewayOutbox, By: "admin",
	}})
}

func describeKey(t EventType, summary string) EventTypeInfo {
	return describe(t, KindAccount, SeedNone, summary, KeyChanged{Data: KeyData{
		KeyID: "key_01K7XJ0000000000000000000A", Name: "warehouse", Role: RoleIngest, By: "admin",
	}})
}
