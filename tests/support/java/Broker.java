// A real ActiveMQ broker from flags. It prints {"ready":true,"port":..} when it accepts connections, and answers each
// line on stdin (stats, connections, consumers, drop) with one JSON line. SIGTERM stops it in order; the end of stdin ends it.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.TransportConnection;
import org.apache.activemq.broker.TransportConnector;
import org.apache.activemq.broker.region.Destination;
import org.apache.activemq.broker.region.DestinationStatistics;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.network.NetworkConnector;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;
import org.apache.activemq.store.SharedFileLocker;
import org.apache.activemq.store.kahadb.KahaDBPersistenceAdapter;

public final class Broker {
    private static final long MIB = 1 << 20;

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        BrokerService broker = new BrokerService();
        broker.setBrokerName(flags.text("name", "broker"));
        broker.setUseJmx(false);
        broker.setSchedulerSupport(flags.flag("scheduler", false));
        broker.setAdvisorySupport(flags.flag("advisory", true));
        broker.setDataDirectoryFile(new File(flags.required("data")));
        // The store first: the first look at the usage makes a store on disk of a broker that has none yet.
        store(broker, flags);
        broker.getSystemUsage().getMemoryUsage().setLimit(flags.integer("memory-mib", 256) * MIB);
        broker.getSystemUsage().getTempUsage().setLimit(512 * MIB);
        Consumers consumers = new Consumers();
        plugins(broker, consumers, flags);
        TransportConnector connector = connector(broker, flags);
        network(broker, flags);
        flags.done();

        broker.setUseShutdownHook(false);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(broker), "stop"));
        broker.start();
        broker.waitUntilStarted();
        Json.print(Json.object().put("ready", true).put("port", connector.getConnectUri().getPort()));
        answer(broker, connector, consumers);
        // The end of stdin: whoever started this broker is gone, and nobody would stop it.
        Runtime.getRuntime().halt(1);
    }

    private static void store(BrokerService broker, Flags flags) throws IOException {
        String directory = flags.text("kahadb", null);
        String sync = flags.text("journal-sync", "always");
        broker.setPersistent(directory != null);
        if (directory == null) {
            return;
        }
        File store = new File(directory);
        SharedFileLocker lock = new SharedFileLocker();
        lock.setDirectory(store);
        lock.setLockAcquireSleepInterval(200);
        KahaDBPersistenceAdapter kahadb = new KahaDBPersistenceAdapter();
        kahadb.setDirectory(store);
        kahadb.setJournalDiskSyncStrategy(sync);
        kahadb.setLocker(lock);
        broker.setPersistenceAdapter(kahadb);
    }

    private static void plugins(BrokerService broker, Consumers consumers, Flags flags) {
        List<AuthenticationUser> users = new ArrayList<>();
        for (String user : flags.all("user")) {
            String[] parts = user.split(":", 2);
            users.add(new AuthenticationUser(parts[0], parts[1], "users"));
        }
        BrokerPlugin[] open = {consumers};
        BrokerPlugin[] guarded = {consumers, new SimpleAuthenticationPlugin(users)};
        broker.setPlugins(users.isEmpty() ? open : guarded);
    }

    private static TransportConnector connector(BrokerService broker, Flags flags) throws Exception {
        // Port 0 the first time: the system chooses, and a restart is given the same again.
        StringBuilder uri = new StringBuilder("tcp://127.0.0.1:" + flags.integer("port", 0));
        char separator = '?';
        for (String option : flags.all("connector-option")) {
            uri.append(separator).append(option);
            separator = '&';
        }
        TransportConnector connector = broker.addConnector(uri.toString());
        connector.setName("openwire");
        connector.setUpdateClusterClients(flags.flag("update-cluster-clients", false));
        connector.setRebalanceClusterClients(flags.flag("rebalance-cluster-clients", false));
        connector.setUpdateClusterClientsOnRemove(flags.flag("update-cluster-clients-on-remove", false));
        if (flags.has("update-cluster-filter")) {
            connector.setUpdateClusterFilter(flags.required("update-cluster-filter"));
        }
        return connector;
    }

    private static void network(BrokerService broker, Flags flags) throws Exception {
        boolean duplex = flags.flag("network-duplex", false);
        int number = 0;
        for (String uri : flags.all("network")) {
            NetworkConnector network = broker.addNetworkConnector(uri);
            network.setName("network-" + number++);
            network.setDuplex(duplex);
        }
    }

    private static void answer(BrokerService broker, TransportConnector connector, Consumers consumers) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            switch (line.trim()) {
                case "stats":
                    Json.print(Json.object().set("stats", stats(broker)));
                    break;
                case "connections":
                    Json.print(Json.object().put("connections", connector.getConnections().size()));
                    break;
                case "consumers":
                    Json.print(consumers.toJson());
                    break;
                case "drop":
                    List<TransportConnection> open = new ArrayList<>(connector.getConnections());
                    open.forEach(TransportConnection::stopAsync);
                    Json.print(Json.object().put("dropped", open.size()));
                    break;
                default:
                    Json.print(Json.object().put("error", "unknown command " + line));
            }
        }
    }

    private static JsonNode stats(BrokerService broker) throws Exception {
        ArrayNode all = Json.array();
        for (Map.Entry<ActiveMQDestination, Destination> entry : broker.getBroker().getDestinationMap().entrySet()) {
            DestinationStatistics counts = entry.getValue().getDestinationStatistics();
            ObjectNode node = all.addObject();
            node.put("destination", entry.getKey().getQualifiedName());
            node.put("size", counts.getMessages().getCount());
            node.put("enqueued", counts.getEnqueues().getCount());
            node.put("dequeued", counts.getDequeues().getCount());
            node.put("in_flight", counts.getInflight().getCount());
            node.put("consumers", counts.getConsumers().getCount());
            node.put("producers", counts.getProducers().getCount());
        }
        return all;
    }

    private static void stop(BrokerService broker) {
        try {
            broker.stop();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
