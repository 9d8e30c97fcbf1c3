//! The fields and findings of MQTT. Names are Wireshark's where it has them.

use super::words;

fields! { "MQTT 3.1.1, MQTT 5.0", [repeated];
    /// A packet.
    PACKET = "mqtt", "Packet", 0 Group, "A control packet: a fixed header, a variable header, a payload.";
    /// Type.
    TYPE = "mqtt.msgtype", "Message type", 4 Enumerated(words::packet), "What the packet is.";
    /// Flags of other packets than PUBLISH.
    RESERVED = "mqtt.hdr_reserved", "Reserved", 4 Unsigned, "Flags that are fixed for the type.";
    /// DUP.
    DUP = "mqtt.dupflag", "DUP", 1 Flag, "It is sent again.";
    /// QoS.
    QOS = "mqtt.qos", "QoS", 2 Enumerated(words::qos), "How often the message is delivered.";
    /// RETAIN.
    RETAIN = "mqtt.retain", "RETAIN", 1 Flag, "The server is to keep the message, or has kept it.";
    /// Remaining length.
    LENGTH = "mqtt.len", "Remaining length", 0 Unsigned, "Bytes of the packet behind this field, in groups of seven bits, the low one first.";
    /// Length of the protocol's name.
    NAME_LENGTH = "mqtt.proto_len", "Protocol name length", 16 Unsigned, "Bytes of the protocol's name.";
    /// The protocol's name.
    NAME = "mqtt.protoname", "Protocol name", 0 Text, "MQTT, or MQIsdp of version 3.1.";
    /// Version.
    VERSION = "mqtt.ver", "Version", 8 Enumerated(words::version), "The level of the protocol.";
    /// User name flag.
    F_USER = "mqtt.conflag.uname", "User name flag", 1 Flag, "A user name follows.";
    /// Password flag.
    F_PASSWORD = "mqtt.conflag.passwd", "Password flag", 1 Flag, "A password follows.";
    /// Will retain.
    F_WILL_RETAIN = "mqtt.conflag.retain", "Will retain", 1 Flag, "The server is to keep the will message.";
    /// Will QoS.
    F_WILL_QOS = "mqtt.conflag.qos", "Will QoS", 2 Enumerated(words::qos), "How often the will message is delivered.";
    /// Will flag.
    F_WILL = "mqtt.conflag.willflag", "Will flag", 1 Flag, "A will follows.";
    /// Clean session, clean start.
    F_CLEAN = "mqtt.conflag.cleansess", "Clean session", 1 Flag, "What an earlier session left is dropped.";
    /// Reserved.
    F_RESERVED = "mqtt.conflag.reserved", "Reserved", 1 Flag, "Must be zero.";
    /// Keep alive.
    KEEP_ALIVE = "mqtt.kalive", "Keep alive", 16 Unsigned, "Seconds after which the client sends at least a ping.";
    /// Length of a client id.
    CLIENT_LENGTH = "mqtt.clientid_len", "Client id length", 16 Unsigned, "Bytes of the client id.";
    /// Client id.
    CLIENT = "mqtt.clientid", "Client id", 0 Text, "What the client calls itself.";
    /// Length of a will topic.
    WILL_TOPIC_LENGTH = "mqtt.willtopic_len", "Will topic length", 16 Unsigned, "Bytes of the will topic.";
    /// Will topic.
    WILL_TOPIC = "mqtt.willtopic", "Will topic", 0 Text, "Where the will is published.";
    /// Length of a will message.
    WILL_LENGTH = "mqtt.willmsg_len", "Will message length", 16 Unsigned, "Bytes of the will message.";
    /// Will message.
    WILL = "mqtt.willmsg", "Will message", 0 Bytes, "What is published where the client goes without a word.";
    /// Length of a user name.
    USER_LENGTH = "mqtt.username_len", "User name length", 16 Unsigned, "Bytes of the user name.";
    /// User name.
    USER = "mqtt.username", "User name", 0 Text, "Who the client says it is.";
    /// Length of a password.
    PASSWORD_LENGTH = "mqtt.passwd_len", "Password length", 16 Unsigned, "Bytes of the password.";
    /// Password.
    PASSWORD = "mqtt.passwd", "Password", 0 Text, "What is to prove it.";
    /// Acknowledge flags.
    ACK_RESERVED = "mqtt.conack.flags.reserved", "Reserved", 7 Unsigned, "Must be zero.";
    /// Session present.
    SESSION = "mqtt.conack.flags.sp", "Session present", 1 Flag, "The server has what an earlier session left.";
    /// Return code of CONNACK up to 3.1.1.
    RETURN_CODE = "mqtt.conack.val", "Return code", 8 Enumerated(words::return_code), "Whether the connection is accepted.";
    /// Reason code of MQTT 5.
    REASON = "mqtt.reason_code", "Reason code", 8 Enumerated(words::reason), "How it went.";
    /// Packet identifier.
    ID = "mqtt.msgid", "Packet identifier", 16 Unsigned, "What a packet and its acknowledgement have in common.";
    /// Length of a topic.
    TOPIC_LENGTH = "mqtt.topic_len", "Topic length", 16 Unsigned, "Bytes of the topic.";
    /// Topic.
    TOPIC = "mqtt.topic", "Topic", 0 Text, "A topic, or a filter for topics.";
    /// Message.
    MESSAGE = "mqtt.msg", "Message", 0 Bytes, "What is published.";
    /// Message as text.
    MESSAGE_TEXT = "mqtt.msg_text", "Message text", 0 Text, "What is published, where it is text.";
    /// Reserved options of a subscription.
    SUB_RESERVED = "mqtt.subscription_options_reserved", "Reserved", 2 Unsigned, "Must be zero.";
    /// Retain handling.
    SUB_RETAIN = "mqtt.subscription_options_retain", "Retain handling", 2 Unsigned, "When kept messages are sent: at once, to a new subscription, never.";
    /// Retain as published.
    SUB_AS_PUBLISHED = "mqtt.subscription_options_rap", "Retain as published", 1 Flag, "RETAIN is handed on as it was published.";
    /// No local.
    SUB_NO_LOCAL = "mqtt.subscription_options_nl", "No local", 1 Flag, "Own messages are not sent back.";
    /// Requested QoS.
    SUB_QOS = "mqtt.sub.qos", "Requested QoS", 2 Enumerated(words::qos), "How often messages may be delivered at most.";
    /// Granted QoS.
    GRANTED = "mqtt.suback.qos", "Granted QoS", 8 Enumerated(words::granted), "What the server grants, or that it refuses.";
    /// Properties.
    PROPERTIES = "mqtt.properties", "Properties", 0 Group, "Properties of MQTT 5.";
    /// Their length.
    PROPERTY_LENGTH = "mqtt.property_len", "Property length", 0 Unsigned, "Bytes of the properties.";
    /// Identifier.
    PROPERTY_ID = "mqtt.property_id", "Property", 0 Enumerated(words::property_name), "Which property it is.";
    /// Number.
    PROPERTY_NUMBER = "mqtt.prop_number", "Value", 0 Unsigned, "The value of a property.";
    /// Bytes.
    PROPERTY_BYTES = "mqtt.prop_bytes", "Value", 0 Bytes, "The value of a property: bytes behind their length.";
    /// Text.
    PROPERTY_TEXT = "mqtt.prop_string", "Value", 0 Text, "The value of a property: text behind its length.";
    /// Key of a user property.
    PROPERTY_KEY = "mqtt.prop_key", "Key", 0 Text, "The key of a user property, behind its length.";
    /// Of an earlier packet.
    CONTINUED = "mqtt.continued", "Continued", 0 Bytes, "The rest of a packet that began in an earlier message and was too large to be held.";
    /// To be continued.
    PARTIAL = "mqtt.partial", "To be continued", 0 Bytes, "Bytes of a packet that goes on in the next message, where it is read.";
    /// What could not be read.
    REST = "mqtt.unread", "Not read", 0 Bytes, "What does not fit the type of the packet.";
}

findings! {
    /// Not a packet.
    MALFORMED = error("mqtt.malformed", "MQTT 5.0 §4.13.1", "A packet has not the form of its type.");
    /// Flags.
    BAD_FLAGS = error("mqtt.bad-flags", "MQTT 5.0 §2.1.3", "The flags of a fixed header are not those of its type.");
    /// Text message.
    TEXT_MESSAGE = error("mqtt.text-message", "MQTT 5.0 §6.0", "A packet came in a text message; only binary ones may carry them.");
    /// Over several messages.
    SPLIT = note("mqtt.split-packet", "MQTT 5.0 §6.0", "A packet begins in one message and ends in a later one, which is allowed; it is too large to be held, and its content is not read.");
    /// Refused.
    REFUSED = warning("mqtt.refused", "MQTT 5.0 §2.4", "The peer refused: a reason code of 0x80 or above, or a return code other than 0.");
}
